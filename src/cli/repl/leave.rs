//! The end of a session: what is in force stays, or is lifted.

use super::Talk;
use super::input::{Editor, Typed};
use crate::cli::exit_code;
use crate::cli::show::changes;
use crate::kernel::process::signals::{self, Stop};
use crate::model::{Drift, Fault, Kind, Report};

impl Talk<'_> {
    /// Asks what is to become of the changes in force, and leaves with the exit code; nothing if somebody would rather stay.
    pub(super) fn ask(&mut self, code: u8, editor: &mut Editor) -> Result<Option<u8>, Fault> {
        let standing = self.steps.in_force();
        // What is in a sandbox is gone with it.
        if standing == 0 || self.options.sandbox {
            return Ok(Some(self.keep(code)));
        }
        let what = if standing == 1 { "1 statement is".to_owned() } else { format!("{standing} statements are") };
        loop {
            match editor.ask(&format!("{what} in force: keep or lift? "))? {
                Typed::Text(answer) if ["k", "keep"].contains(&answer.trim()) => return Ok(Some(self.keep(code))),
                Typed::Text(answer) if ["l", "lift"].contains(&answer.trim()) => return Ok(Some(self.lift_quietly(code))),
                Typed::Text(_) => self.screen.note("say keep or lift; Ctrl-C goes back"),
                Typed::Nothing => return Ok(None),
                Typed::End => return Ok(Some(self.lift_quietly(code))),
                Typed::Lost => return Ok(Some(self.stop(super::gone()))),
            }
        }
    }

    /// Leaves what is in force as it is, and ends the run.
    pub(super) fn keep(&mut self, code: u8) -> u8 {
        if self.steps.in_force() == 0 && !self.steps.have_acted() {
            return self.lift_quietly(code);
        }
        let report = match self.live.finish() {
            Ok(report) => report,
            Err(fault) => return self.lift(fault),
        };
        self.session.settle(self.page);
        self.kept.remove();
        // Of a sandbox nothing stays.
        if !self.options.sandbox {
            let report = Report { changes: self.steps.changes(), ..report };
            self.screen.note(&changes::done(&report, &changes::lift_with(&report, self.screen.notes), self.screen.notes));
        }
        code
    }

    /// Lifts everything and ends the run, with the fault that made it necessary.
    pub(super) fn lift(&mut self, fault: Fault) -> u8 {
        let code = match signals::pending() {
            Some(stop) if fault.kind == Kind::Interrupted => stop.exit_code(),
            _ => exit_code(&fault, self.page.open_run().is_some()),
        };
        self.end(fault, code)
    }

    /// Lifts everything and ends the run: the terminal is gone, or somebody asked for the end.
    pub(super) fn stop(&mut self, stop: Stop) -> u8 {
        self.end(stop.fault("go on"), stop.exit_code())
    }

    fn end(&mut self, fault: Fault, code: u8) -> u8 {
        let later = self.roll_back().err();
        let code = if later.is_some() { Kind::Incomplete.exit_code() } else { code };
        self.tell(&fault.followed_by(later), code);
        code
    }

    /// Lifts everything and ends the run, as it was asked for.
    pub(super) fn lift_quietly(&mut self, code: u8) -> u8 {
        let standing = self.steps.in_force();
        match self.roll_back() {
            Ok(()) => {
                self.kept.remove();
                if standing > 0 {
                    self.screen.note("lifted: all");
                }
                code
            }
            Err(fault) => {
                self.tell(&fault, Kind::Incomplete.exit_code());
                Kind::Incomplete.exit_code()
            }
        }
    }

    fn roll_back(&mut self) -> Result<(), Fault> {
        let begun = self.page.open_run().is_some();
        self.page.roll_back();
        let lifted = if begun { self.live.rollback() } else { Ok(Report::default()) };
        self.session.settle(self.page);
        let left: Vec<Fault> = lifted?.drift.iter().filter(|drift| drift.left).map(Drift::fault).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(Fault::new(Kind::Incomplete, "lift all that was typed", "some of it is not as it was left").followed_by(left)),
        }
    }
}
