//! Addresses.

use std::net::IpAddr;

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, NativeCallContext};

use super::text_for;
use crate::bind::call::{Answer, answer};
use crate::model::address::Address as AddressValue;

/// Gives a script an address, or `()` where there is none.
pub(in crate::bind) fn or_unit(address: Option<IpAddr>) -> Dynamic {
    address.map_or(Dynamic::UNIT, |address| Dynamic::from(AddressValue(address)))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// An IPv4 or IPv6 address.
    pub type Address = AddressValue;

    /// Makes an address of IPv4 or IPv6.
    ///
    /// - `text`: the address; names are not looked up
    ///
    /// A number is added to it or subtracted; an address minus an address is a number. Addresses are compared, all of IPv4 before IPv6. Rooms take
    /// them wherever they take the text.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no address, or the family has none so far on.
    ///
    /// # Example
    /// ```rhai
    /// let all = [address("10.0.0.9"), address("10.0.0.10") - 8];
    /// all.sort(|one, other| one < other);
    /// all[0] == address("10.0.0.2") && all[1] - all[0] == 7
    /// ```
    ///
    /// # Source
    /// RFC 791, RFC 4291
    #[rhai_fn(global, return_raw)]
    pub fn address(ctx: NativeCallContext, text: Dynamic) -> Answer<Address> {
        answer(&ctx, text_for("an address", &text).and_then(|text| text.parse()))
    }

    /// Gives the family: `"ipv4"` or `"ipv6"`.
    #[rhai_fn(get = "family", global, pure)]
    pub fn family(address: &mut Address) -> ImmutableString {
        super::super::family(address.family())
    }

    /// Tells whether the address is for private networks: RFC 1918, RFC 4193.
    #[rhai_fn(get = "is_private", global, pure)]
    pub fn is_private(address: &mut Address) -> bool {
        address.is_private()
    }

    /// Tells whether the address is of the machine itself: 127.0.0.0/8, `::1`.
    #[rhai_fn(get = "is_loopback", global, pure)]
    pub fn is_loopback(address: &mut Address) -> bool {
        address.0.is_loopback()
    }

    /// Tells whether the address is of a group: 224.0.0.0/4, ff00::/8.
    #[rhai_fn(get = "is_multicast", global, pure)]
    pub fn is_multicast(address: &mut Address) -> bool {
        address.0.is_multicast()
    }

    /// Tells whether the address is valid on its link only: 169.254.0.0/16, fe80::/10.
    #[rhai_fn(get = "is_link_local", global, pure)]
    pub fn is_link_local(address: &mut Address) -> bool {
        address.is_link_local()
    }
}
