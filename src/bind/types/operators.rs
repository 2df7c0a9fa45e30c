//! How values are compared, calculated with and printed.
//!
//! The same for every type, so it is written once. Modules rather than closures: what is not called costs nothing at the start.

use std::cmp::Ordering;
use std::fmt::Display;
use std::str::FromStr;

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, NativeCallContext};

use crate::bind::call::{Answer, answer};
use crate::model::Fault;
use crate::model::address::Address;
use crate::model::duration::Span;
use crate::model::prefix::Prefix;
use crate::model::quantity::Quantity;
use crate::model::rate::Rate;
use crate::model::size::Size;

/// Finds the value that another one is, or that its text says.
fn read<T: FromStr + Clone + Send + Sync + 'static>(value: &Dynamic) -> Option<T> {
    match value.as_immutable_string_ref() {
        Ok(text) => text.parse().ok(),
        Err(_) => value.read_lock::<T>().map(|value| value.clone()),
    }
}

/// Compares a value with another one. The language would give false for unlike things, whatever the operator.
fn order<T>(ctx: &NativeCallContext, one: &T, other: &Dynamic) -> Answer<Ordering>
where
    T: Ord + Display + FromStr + Clone + Send + Sync + 'static,
{
    let unlike = || Fault::input(format!("compare {one} with {other}"), "the one is no such thing as the other");
    answer(ctx, read::<T>(other).map(|other| one.cmp(&other)).ok_or_else(unlike))
}

macro_rules! compared {
    ($module:ident, $type:ident) => {
        #[allow(missing_docs, unreachable_pub)]
        #[export_module(manifest)]
        pub mod $module {
            /// Tells whether both are the same.
            #[rhai_fn(name = "==", global)]
            pub fn same(one: $type, other: Dynamic) -> bool {
                read(&other) == Some(one)
            }

            /// Tells whether both are the same.
            #[rhai_fn(name = "==", global)]
            pub fn same_as(one: Dynamic, other: $type) -> bool {
                read(&one) == Some(other)
            }

            /// Tells whether they differ.
            #[rhai_fn(name = "!=", global)]
            pub fn differs(one: $type, other: Dynamic) -> bool {
                read(&other) != Some(one)
            }

            /// Tells whether they differ.
            #[rhai_fn(name = "!=", global)]
            pub fn differs_from(one: Dynamic, other: $type) -> bool {
                read(&one) != Some(other)
            }

            /// Tells whether the first is less.
            #[rhai_fn(name = "<", global, return_raw)]
            pub fn less(ctx: NativeCallContext, one: $type, other: Dynamic) -> Answer<bool> {
                order(&ctx, &one, &other).map(Ordering::is_lt)
            }

            /// Tells whether the first is less.
            #[rhai_fn(name = "<", global, return_raw)]
            pub fn less_than(ctx: NativeCallContext, one: Dynamic, other: $type) -> Answer<bool> {
                order(&ctx, &other, &one).map(Ordering::is_gt)
            }

            /// Tells whether the first is not greater.
            #[rhai_fn(name = "<=", global, return_raw)]
            pub fn up_to(ctx: NativeCallContext, one: $type, other: Dynamic) -> Answer<bool> {
                order(&ctx, &one, &other).map(Ordering::is_le)
            }

            /// Tells whether the first is not greater.
            #[rhai_fn(name = "<=", global, return_raw)]
            pub fn up_to_it(ctx: NativeCallContext, one: Dynamic, other: $type) -> Answer<bool> {
                order(&ctx, &other, &one).map(Ordering::is_ge)
            }

            /// Tells whether the first is greater.
            #[rhai_fn(name = ">", global, return_raw)]
            pub fn greater(ctx: NativeCallContext, one: $type, other: Dynamic) -> Answer<bool> {
                order(&ctx, &one, &other).map(Ordering::is_gt)
            }

            /// Tells whether the first is greater.
            #[rhai_fn(name = ">", global, return_raw)]
            pub fn greater_than(ctx: NativeCallContext, one: Dynamic, other: $type) -> Answer<bool> {
                order(&ctx, &other, &one).map(Ordering::is_lt)
            }

            /// Tells whether the first is not less.
            #[rhai_fn(name = ">=", global, return_raw)]
            pub fn from(ctx: NativeCallContext, one: $type, other: Dynamic) -> Answer<bool> {
                order(&ctx, &one, &other).map(Ordering::is_ge)
            }

            /// Tells whether the first is not less.
            #[rhai_fn(name = ">=", global, return_raw)]
            pub fn from_it(ctx: NativeCallContext, one: Dynamic, other: $type) -> Answer<bool> {
                order(&ctx, &other, &one).map(Ordering::is_le)
            }

            /// Prints the value as it is written.
            #[rhai_fn(name = "to_string", name = "to_debug", global)]
            pub fn to_string(value: $type) -> ImmutableString {
                value.to_string().into()
            }
        }
    };
}

compared!(duration_order, Span);
compared!(rate_order, Rate);
compared!(size_order, Size);
compared!(address_order, Address);
compared!(prefix_order, Prefix);

macro_rules! calculated {
    ($module:ident, $type:ident) => {
        #[allow(missing_docs, unreachable_pub)]
        #[export_module(manifest)]
        pub mod $module {
            /// Adds two amounts.
            #[rhai_fn(name = "+", global, return_raw)]
            pub fn plus(ctx: NativeCallContext, one: $type, other: $type) -> Answer<$type> {
                answer(&ctx, one.plus(other))
            }

            /// Takes an amount from another.
            #[rhai_fn(name = "-", global, return_raw)]
            pub fn minus(ctx: NativeCallContext, one: $type, other: $type) -> Answer<$type> {
                answer(&ctx, one.minus(other))
            }

            /// Tells how often an amount goes into another.
            #[rhai_fn(name = "/", global, return_raw)]
            pub fn ratio(ctx: NativeCallContext, one: $type, other: $type) -> Answer<f64> {
                answer(&ctx, one.ratio(other))
            }

            /// Multiplies an amount by a number.
            #[rhai_fn(name = "*", global, return_raw)]
            pub fn times(ctx: NativeCallContext, one: $type, by: f64) -> Answer<$type> {
                answer(&ctx, one.times(by))
            }

            /// Multiplies an amount by a whole number.
            #[rhai_fn(name = "*", global, return_raw)]
            pub fn times_whole(ctx: NativeCallContext, one: $type, by: i64) -> Answer<$type> {
                answer(&ctx, one.times(by as f64))
            }

            /// Multiplies a number by an amount.
            #[rhai_fn(name = "*", global, return_raw)]
            pub fn by(ctx: NativeCallContext, times: f64, one: $type) -> Answer<$type> {
                answer(&ctx, one.times(times))
            }

            /// Multiplies a whole number by an amount.
            #[rhai_fn(name = "*", global, return_raw)]
            pub fn whole_by(ctx: NativeCallContext, times: i64, one: $type) -> Answer<$type> {
                answer(&ctx, one.times(times as f64))
            }

            /// Divides an amount by a number.
            #[rhai_fn(name = "/", global, return_raw)]
            pub fn over(ctx: NativeCallContext, one: $type, by: f64) -> Answer<$type> {
                answer(&ctx, one.over(by))
            }

            /// Divides an amount by a whole number.
            #[rhai_fn(name = "/", global, return_raw)]
            pub fn over_whole(ctx: NativeCallContext, one: $type, by: i64) -> Answer<$type> {
                answer(&ctx, one.over(by as f64))
            }
        }
    };
}

calculated!(durations, Span);
calculated!(rates, Rate);
calculated!(sizes, Size);

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod between {
    /// Tells what comes together at a rate.
    #[rhai_fn(name = "*", global, return_raw)]
    pub fn during(ctx: NativeCallContext, rate: Rate, span: Span) -> Answer<Size> {
        answer(&ctx, rate.during(span))
    }

    /// Tells what comes together in a time.
    #[rhai_fn(name = "*", global, return_raw)]
    pub fn during_it(ctx: NativeCallContext, span: Span, rate: Rate) -> Answer<Size> {
        answer(&ctx, rate.during(span))
    }

    /// Tells the time that a size takes at a rate.
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn at(ctx: NativeCallContext, size: Size, rate: Rate) -> Answer<Span> {
        answer(&ctx, size.at(rate))
    }

    /// Tells the rate of a size in a time.
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn per(ctx: NativeCallContext, size: Size, span: Span) -> Answer<Rate> {
        answer(&ctx, size.per(span))
    }

    /// Counts on from an address.
    #[rhai_fn(name = "+", global, return_raw)]
    pub fn further(ctx: NativeCallContext, address: Address, places: i64) -> Answer<Address> {
        answer(&ctx, address.offset(places))
    }

    /// Counts back from an address.
    #[rhai_fn(name = "-", global, return_raw)]
    pub fn back(ctx: NativeCallContext, address: Address, places: i64) -> Answer<Address> {
        // The least number has no opposite, and no address of IPv4 is so far away.
        answer(&ctx, address.offset(places.saturating_neg()))
    }

    /// Tells how far an address is from another.
    #[rhai_fn(name = "-", global, return_raw)]
    pub fn distance(ctx: NativeCallContext, to: Address, from: Address) -> Answer<i64> {
        answer(&ctx, to.distance(from))
    }
}
