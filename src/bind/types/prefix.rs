//! Prefixes.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::text_for;
use crate::bind::call::{Answer, answer};
use crate::model::address::Address as AddressValue;
use crate::model::prefix::Prefix as PrefixValue;

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// An address with the length of its network part.
    pub type Prefix = PrefixValue;
    /// An IPv4 or IPv6 address.
    pub type Address = AddressValue;

    /// Makes a prefix: a range of addresses that share their first bits.
    ///
    /// - `text`: `"10.0.0.0/8"`, `"10.0.0.0/255.0.0.0"`, `"2001:db8::/32"`; an address alone is the prefix that holds only it
    ///
    /// Prefixes are compared by their first address, then by length. Rooms take them wherever they take the text.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no prefix, or bits of a host are set in it; the hint has the network.
    ///
    /// # Example
    /// ```rhai
    /// let lan = prefix("192.0.2.0/24");
    /// address("192.0.2.7") in lan && lan.netmask == address("255.255.255.0")
    /// ```
    ///
    /// # Source
    /// RFC 4632, RFC 4291
    #[rhai_fn(global, return_raw)]
    pub fn prefix(ctx: NativeCallContext, text: Dynamic) -> Answer<Prefix> {
        answer(&ctx, text_for("a prefix", &text).and_then(|text| PrefixValue::exact(&text)))
    }

    /// Makes the prefix of a length that an address lies in.
    ///
    /// - `address`: an address, or its text
    /// - `length`: from 0 to 32 for IPv4, to 128 for IPv6
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no address, or the length does not fit.
    ///
    /// # Example
    /// ```rhai
    /// prefix("192.0.2.77", 24) == prefix("192.0.2.0/24")
    /// ```
    ///
    /// # Source
    /// RFC 4632, RFC 4291
    #[rhai_fn(name = "prefix", global, return_raw)]
    pub fn prefix_around(ctx: NativeCallContext, address: Dynamic, length: i64) -> Answer<Prefix> {
        let address = text_for("an address", &address).and_then(|text| text.parse());
        answer(&ctx, address.and_then(|address| PrefixValue::around(address, u8::try_from(length).unwrap_or(u8::MAX))))
    }

    /// Tells whether an address or another prefix lies in the prefix; the operator `in` asks the same.
    ///
    /// - `other`: an address, a prefix, or the text of one; of the other family, it does not
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is neither.
    ///
    /// # Example
    /// ```rhai
    /// let lan = prefix("10.0.0.0/8");
    /// lan.contains("10.1.2.3") && prefix("10.2.0.0/16") in lan && !lan.contains("::1")
    /// ```
    ///
    /// # Source
    /// RFC 4632
    #[rhai_fn(global, return_raw, pure)]
    pub fn contains(ctx: NativeCallContext, prefix: &mut Prefix, other: Dynamic) -> Answer<bool> {
        let other = text_for("an address or prefix", &other).and_then(|text| PrefixValue::exact(&text));
        answer(&ctx, other.map(|other| prefix.covers(&other)))
    }

    /// Tells whether the prefix shares an address with another one.
    ///
    /// - `other`: a prefix, or its text
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no prefix.
    ///
    /// # Example
    /// ```rhai
    /// prefix("10.1.0.0/16").overlaps("10.0.0.0/8") && !prefix("10.1.0.0/16").overlaps("10.2.0.0/16")
    /// ```
    ///
    /// # Source
    /// RFC 4632
    #[rhai_fn(global, return_raw, pure)]
    pub fn overlaps(ctx: NativeCallContext, prefix: &mut Prefix, other: Dynamic) -> Answer<bool> {
        let other = text_for("a prefix", &other).and_then(|text| PrefixValue::exact(&text));
        answer(&ctx, other.map(|other| prefix.overlaps(&other)))
    }

    /// Lists the addresses that hosts can have; of IPv4 without the first and the last, which stand for the network and for all hosts.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the prefix has more than 65,536 addresses.
    ///
    /// # Example
    /// ```rhai
    /// prefix("192.0.2.0/30").hosts() == [address("192.0.2.1"), address("192.0.2.2")]
    /// ```
    ///
    /// # Source
    /// RFC 1122, RFC 3021
    #[rhai_fn(global, return_raw, pure)]
    pub fn hosts(ctx: NativeCallContext, prefix: &mut Prefix) -> Answer<Array> {
        answer(&ctx, prefix.hosts()).map(listed)
    }

    /// Lists the parts of the prefix that have a greater length.
    ///
    /// - `length`: the length of the parts
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the length is less than that of the prefix, or there are more than 65,536 parts.
    ///
    /// # Example
    /// ```rhai
    /// prefix("10.0.0.0/8").subnets(9) == [prefix("10.0.0.0/9"), prefix("10.128.0.0/9")]
    /// ```
    ///
    /// # Source
    /// RFC 4632
    #[rhai_fn(global, return_raw, pure)]
    pub fn subnets(ctx: NativeCallContext, prefix: &mut Prefix, length: i64) -> Answer<Array> {
        answer(&ctx, prefix.subnets(length)).map(listed)
    }

    /// Gives the first address.
    #[rhai_fn(get = "network", global, pure)]
    pub fn network(prefix: &mut Prefix) -> Address {
        prefix.network()
    }

    /// Gives the last address, to which broadcasts go; `()` for IPv6, which has none.
    #[rhai_fn(get = "broadcast", global, pure)]
    pub fn broadcast(prefix: &mut Prefix) -> Dynamic {
        prefix.broadcast().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Gives the length as a mask.
    #[rhai_fn(get = "netmask", global, pure)]
    pub fn netmask(prefix: &mut Prefix) -> Address {
        prefix.netmask()
    }

    /// Gives how many bits are the same in all addresses of the prefix.
    #[rhai_fn(get = "length", global, pure)]
    pub fn length(prefix: &mut Prefix) -> i64 {
        prefix.length().into()
    }

    /// Gives the family: `"ipv4"` or `"ipv6"`.
    #[rhai_fn(get = "family", global, pure)]
    pub fn prefix_family(prefix: &mut Prefix) -> ImmutableString {
        super::super::family(prefix.family())
    }
}

fn listed<T: Clone + Send + Sync + 'static>(values: Vec<T>) -> Array {
    values.into_iter().map(Dynamic::from).collect()
}
