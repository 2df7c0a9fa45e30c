//! The socket of a plan.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Step, Wire};
use crate::model::raw::{Batch, Limits, Opt, Outgoing, Sent, Setting, Spec, Template, Way};
use crate::model::{Fault, Kind};

/// A socket that nobody has opened: what is sent is listed, what would come only the network knows.
pub struct Paper {
    way: Way,
    local: Option<IpAddr>,
    settings: Vec<Setting>,
}

impl Paper {
    /// Makes one.
    pub fn new(spec: &Spec) -> Self {
        Self { way: spec.way.clone(), local: spec.local, settings: spec.settings.clone() }
    }

    fn unknown(&self, tried: &str) -> Fault {
        Fault::new(Kind::Unknown, format!("{tried} the {}", self.way), "a plan sends nothing, and so nothing answers")
    }
}

impl Wire for Paper {
    fn send(&mut self, _: &Outgoing) -> Result<Duration, Fault> {
        Ok(Duration::ZERO)
    }

    fn receive(&mut self, _: usize, _: Duration) -> Result<Batch, Fault> {
        Err(self.unknown("receive from"))
    }

    fn set(&mut self, setting: Setting) -> Result<(), Fault> {
        self.settings.push(setting);
        Ok(())
    }

    fn get(&mut self, option: Opt) -> Result<i64, Fault> {
        let given = self.settings.iter().rev().find(|setting| setting.option == option);
        given.map(|setting| setting.value).ok_or_else(|| self.unknown(&format!("read `{}` of", option.name())))
    }

    fn drops(&mut self) -> Result<u64, Fault> {
        Err(self.unknown("count the drops of"))
    }

    /// Which address the kernel would choose does not matter to a packet that is not sent.
    fn source(&mut self, to: IpAddr) -> Result<IpAddr, Fault> {
        let unspecified = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Ok(self.local.unwrap_or(unspecified))
    }

    fn stream(&mut self, _: &Outgoing, _: Template, _: &Limits, _: &mut dyn FnMut(&Sent)) -> Result<Sent, Fault> {
        Err(self.unknown("count what is sent through"))
    }

    fn begin_capture(&mut self, _: &Limits, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn capture(&mut self, _: usize) -> Result<Step, Fault> {
        Err(self.unknown("capture through"))
    }
}
