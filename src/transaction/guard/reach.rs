//! How far packets of a script may go.

use std::net::IpAddr;

use super::{Guard, Stance};
use crate::model::raw::reach;
use crate::model::{Fault, Origin};

impl Guard {
    /// Sets what to do about packets to public addresses.
    #[must_use]
    pub fn public(mut self, stance: Stance) -> Self {
        self.public = stance;
        self
    }

    /// Tells whether there is anything to decide.
    pub(in crate::transaction) fn bounds_reach(&self) -> bool {
        self.public != Stance::Allow
    }

    /// Decides about a packet before it is sent.
    pub(in crate::transaction) fn reach(&mut self, to: IpAddr, origin: &Origin) -> Result<(), Fault> {
        if self.public == Stance::Allow || reach::is_near(to) {
            return Ok(());
        }
        let fault = reach::too_far(to).at(origin.clone());
        match self.public {
            Stance::Tell if self.told.iter().any(|told| told.tried == fault.tried) => Ok(()),
            Stance::Tell => {
                self.told.push(fault);
                Ok(())
            }
            _ => Err(fault),
        }
    }
}
