//! A qdisc: what queues the packets at one place of a device.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Handle, Kind, Options};

/// A qdisc, without its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qdisc {
    /// The index of its device; 0 as long as it is not known.
    pub link: u32,
    /// Its handle; [`Handle::NONE`] as long as none is chosen.
    pub handle: Handle,
    /// Its kind.
    pub kind: Kind,
    /// How it queues.
    pub options: Options,
    /// Its table of sizes (`stab`), as the kernel has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<super::units::Sizes>,
    /// The numbers of the blocks of filters that it shares with others, for arriving and for leaving packets.
    #[serde(default, skip_serializing_if = "is_none")]
    pub blocks: (Option<u32>, Option<u32>),
    /// The kind of the qdisc in which it is; nothing where it is on the device itself, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Kind>,
}

fn is_none(blocks: &(Option<u32>, Option<u32>)) -> bool {
    *blocks == (None, None)
}

impl Qdisc {
    /// Makes a qdisc of a kind, on whatever device and with whatever handle.
    pub fn new(kind: Kind, options: Options) -> Self {
        let handle = if kind.is_ingress() { Handle::OF_INGRESS } else { Handle::NONE };
        Self { link: 0, handle, kind, options, sizes: None, blocks: (None, None), within: None }
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = |one: u32, other: u32| one == other || one == 0 || other == 0;
        same(self.link, other.link)
            && same(self.handle.bits(), other.handle.bits())
            && self.kind == other.kind
            && Kind::may_be_same(self.within.as_ref(), other.within.as_ref())
            && self.sizes == other.sizes
            && self.blocks == other.blocks
            && self.options.agrees(&other.options)
    }

    /// Tells whether the kernel can make another one of it where it is, so that all that is in it stays.
    pub fn becomes(&self, next: &Self) -> bool {
        self.agrees(next)
            || self.link == next.link
                && self.handle == next.handle
                && self.kind == next.kind
                && self.kind.can_change()
                && self.blocks == next.blocks
                && self.options.can_become(&next.options)
    }
}

impl fmt::Display for Qdisc {
    /// Writes it as tc(8) takes it, behind the place: `handle 8001: netem limit 1000 delay 100ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.handle != Handle::NONE && !self.kind.is_ingress() {
            write!(f, "handle {} ", self.handle)?;
        }
        if let Some(sizes) = &self.sizes {
            write!(f, "stab {sizes} ")?;
        }
        let block = |block: Option<u32>, name: &str| block.map(|block| format!("{name} {block} ")).unwrap_or_default();
        write!(f, "{}{}{}", block(self.blocks.0, "ingress_block"), block(self.blocks.1, "egress_block"), self.kind)?;
        write!(f, "{}", self.options)
    }
}
