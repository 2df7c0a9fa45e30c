//! Amounts that are written as numbers with units: durations, rates and sizes.

use std::fmt;

use super::Fault;

/// A whole number of a smallest unit, so that what is printed reads back as the same.
pub trait Quantity: Copy + Ord + fmt::Display {
    /// What it is called.
    const NOUN: &'static str;
    /// What its units are units of.
    const OF: &'static str;
    /// How it is written.
    const FORM: &'static str;
    /// The units with their length in the smallest one. Upper and lower case are the same, as in tc(8).
    const UNITS: &'static [(&'static str, u64)];
    /// The units that it is printed with, the largest first; the one for nothing is the last.
    const SHOWN: &'static [(&'static str, u64)];
    /// The most that there may be of it, and how that is said.
    const MOST: (u64, &'static str);
    /// Whether several are written as one: `1h30m`.
    const JOINED: bool = false;

    /// Gives the number of smallest units.
    fn count(self) -> u64;

    /// Makes it of a number of smallest units that is not too large.
    fn made(count: u64) -> Self;

    /// Makes it of a number of smallest units. `tried` is the end of "cannot ...".
    fn of(count: u128, tried: impl FnOnce() -> String) -> Result<Self, Fault> {
        match u64::try_from(count) {
            Ok(count) if count <= Self::MOST.0 => Ok(Self::made(count)),
            _ => Err(Fault::input(tried(), format!("it is {}", Self::MOST.1))),
        }
    }

    /// Reads it as it is written in scripts.
    fn read(text: &str) -> Result<Self, Fault> {
        let tried = || format!("read {text:?} as a {}", Self::NOUN);
        let refuse = |why: String| Fault::input(tried(), why).hint(format!("write {}", Self::FORM));
        let (mut rest, mut count) = (text, 0u128);
        if rest.is_empty() {
            return Err(refuse("it is empty".to_owned()));
        }
        while !rest.is_empty() {
            let (number, behind) = rest.split_at(rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len()));
            let (unit, behind) = behind.split_at(behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len()));
            let known = Self::UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            let number = Decimal::read(number).ok_or_else(|| refuse("a number is missing, or too long".to_owned()))?;
            let (_, length) = known.ok_or_else(|| match unit {
                "" => refuse("a unit is missing".to_owned()),
                _ => refuse(format!("{unit:?} is no unit of {}", Self::OF)),
            })?;
            count += number.times(*length).ok_or_else(|| refuse(format!("it is finer than 1{}", smallest::<Self>())))?;
            if !(behind.is_empty() || Self::JOINED) {
                return Err(refuse(format!("{behind:?} stands behind it")));
            }
            rest = behind;
        }
        Self::of(count, tried).map_err(|fault| refuse(fault.why))
    }

    /// Prints it with the largest unit that leaves no fraction.
    fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        let zero = Self::SHOWN.last().map_or("", |(unit, _)| unit);
        match Self::SHOWN.iter().find(|(_, length)| count > 0 && count.is_multiple_of(*length)) {
            Some((unit, length)) => write!(f, "{}{unit}", count / length),
            None => write!(f, "{count}{zero}"),
        }
    }

    /// Adds another one.
    fn plus(self, other: Self) -> Result<Self, Fault> {
        Self::of(u128::from(self.count()) + u128::from(other.count()), || format!("add {self} and {other}"))
    }

    /// Takes another one away.
    fn minus(self, other: Self) -> Result<Self, Fault> {
        let less = || Fault::input(format!("take {other} from {self}"), format!("a {} is never negative", Self::NOUN));
        self.count().checked_sub(other.count()).map(Self::made).ok_or_else(less)
    }

    /// Multiplies it, and rounds to the smallest unit.
    fn times(self, factor: f64) -> Result<Self, Fault> {
        Self::rounded(self.count() as f64 * factor, || format!("multiply {self} by {factor}"))
    }

    /// Divides it, and rounds to the smallest unit.
    fn over(self, divisor: f64) -> Result<Self, Fault> {
        Self::rounded(self.count() as f64 / divisor, || format!("divide {self} by {divisor}"))
    }

    /// Makes it of a number of smallest units with a fraction. `tried` is the end of "cannot ...".
    fn rounded(count: f64, tried: impl FnOnce() -> String) -> Result<Self, Fault> {
        match count.round() {
            count if count.is_nan() => Err(Fault::input(tried(), "that is no number")),
            count if count < 0.0 => Err(Fault::input(tried(), format!("a {} is never negative", Self::NOUN))),
            count => Self::of(count as u128, tried),
        }
    }

    /// Tells how often another one goes into it.
    fn ratio(self, other: Self) -> Result<f64, Fault> {
        let by_zero = || Fault::input(format!("divide {self} by {other}"), "that is no number");
        if other.count() == 0 { Err(by_zero()) } else { Ok(self.count() as f64 / other.count() as f64) }
    }
}

/// Lets a quantity be parsed and printed as all of them are.
macro_rules! written {
    ($quantity:ty) => {
        impl std::str::FromStr for $quantity {
            type Err = $crate::model::Fault;

            fn from_str(text: &str) -> Result<Self, $crate::model::Fault> {
                Self::read(text)
            }
        }

        impl std::fmt::Display for $quantity {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.show(f)
            }
        }
    };
}
pub(super) use written;

fn smallest<Q: Quantity>() -> &'static str {
    Q::UNITS.iter().find(|(_, length)| *length == 1).map_or("", |(unit, _)| unit)
}

/// A number as it is written: binary fractions would make 0.1 something else.
struct Decimal {
    digits: u128,
    /// How many of the digits stand behind the point.
    places: u32,
}

impl Decimal {
    /// More than these no amount needs, and their product with a unit has room.
    const DIGITS: usize = 20;

    fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let ends = text.starts_with('.') || text.ends_with('.') || part.contains('.');
        let fine = !ends && whole.len() + part.len() <= Self::DIGITS;
        let digits = format!("{whole}{part}").parse().ok().filter(|_| fine)?;
        Some(Self { digits, places: part.len() as u32 })
    }

    /// Multiplies it; nothing where a fraction would be left.
    fn times(&self, factor: u64) -> Option<u128> {
        let (product, scale) = (self.digits * u128::from(factor), 10u128.pow(self.places));
        product.is_multiple_of(scale).then(|| product / scale)
    }
}
