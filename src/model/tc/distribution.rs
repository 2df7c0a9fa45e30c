//! The tables of netem's distributions: how far a delay is from its mean, in 8192nds of the jitter.
//!
//! They are those of iproute2, which computes them when it is built, and are computed in the same way.

/// How many steps a table is computed with, and every how manieth of them is in it.
const STEPS: usize = 16384;
const EVERY: usize = 4;
const SCALE: f64 = 8192.0;

/// The distribution that needs no table: it is what the kernel has without one.
pub const UNIFORM: &str = "uniform";

/// The distributions that need no file.
pub const COMPUTED: &[&str] = &["normal", "pareto", "paretonormal", UNIFORM];

/// The most numbers of a table: NETEM_DIST_MAX of net/sched/sch_netem.c.
const MOST: usize = 16384;

/// Reads a table as tc(8) has it in a file: numbers, with lines about them in front and between.
pub fn read(text: &str) -> Result<Vec<i16>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    let number = |at: usize, word: &str| word.parse().map_err(|_| format!("line {}: {word:?} is no number from -32768 to 32767", at + 1));
    let table = lines.flat_map(|(at, line)| line.split_whitespace().map(move |word| number(at, word))).collect::<Result<Vec<i16>, _>>()?;
    match table.len() {
        0 => Err("there is no number in it".to_owned()),
        count if count > MOST => Err(format!("there are {count} numbers in it, and the kernel takes {MOST}")),
        _ => Ok(table),
    }
}

/// Gives the table of a distribution; nothing where it needs none, or is not known.
pub fn table(name: &str) -> Option<Vec<i16>> {
    match name {
        "normal" => Some(normal().into_iter().map(short).collect()),
        "pareto" => Some((0..STEPS / EVERY).map(|at| short(pareto(at * EVERY))).collect()),
        "paretonormal" => {
            let both = |(at, normal): (usize, i32)| short((normal + 3 * pareto(at * EVERY)) / 4);
            Some(normal().into_iter().enumerate().map(both).collect())
        }
        _ => None,
    }
}

fn short(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn rint(value: f64) -> f64 {
    value.round_ties_even()
}

/// Of each step the last place of the normal distribution that falls on it.
fn normal() -> Vec<i32> {
    const FINE: f64 = 0.00005;
    let place = |at: u32| f64::from(at) * FINE - 10.0;
    let step = |at: u32| rint(STEPS as f64 * below(place(at))) as usize;
    let mut first = 0;
    let mut last_on = |wanted: usize| {
        let (mut low, mut high) = (first, 401_000);
        while low < high {
            let middle = (low + high) / 2;
            if step(middle) <= wanted { low = middle + 1 } else { high = middle }
        }
        first = low - 1;
        rint(place(first) * SCALE) as i32
    };
    (0..STEPS).step_by(EVERY).map(&mut last_on).collect()
}

fn pareto(step: usize) -> i32 {
    let part = (65536 - 4 * step) as f64 / 65536.0;
    rint(((1.0 / part.powf(1.0 / 3.0) - 1.5) * (4.0 / 3.0) * SCALE).min(32767.0)) as i32
}

/// Gives the part of a normal distribution that is below a value: a series (Abramowitz and Stegun, 26.2.10), and far out a continued fraction (26.2.14).
fn below(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() > 5.0 {
        let tail = density / (1..=60).rev().fold(x.abs(), |rest, k| x.abs() + f64::from(k) / rest);
        return if x > 0.0 { 1.0 - tail } else { tail };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + density * sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is in front of Debian's tables, and what behind, and of all their sums.
    #[test]
    fn the_tables_are_those_of_iproute2() {
        for name in ["normal", "pareto", "paretonormal"] {
            let table = table(name).unwrap();
            assert_eq!(table.len(), 4096);
            let Ok(theirs) = std::fs::read_to_string(format!("/usr/lib/x86_64-linux-gnu/tc/{name}.dist")) else {
                println!("skipped: iproute2 has no table of {name} here");
                continue;
            };
            let theirs = read(&theirs).unwrap();
            let far = table.iter().zip(&theirs).filter(|(ours, theirs)| ours.abs_diff(**theirs) > 1).count();
            assert_eq!((theirs.len(), far), (4096, 0), "{name}");
        }
    }

    #[test]
    fn files_are_read_as_tc_reads_them() {
        assert_eq!(read("# about\n\n -32768 -7\n# more\n  0\t32767\n"), Ok(vec![i16::MIN, -7, 0, i16::MAX]));
        assert_eq!(read("# nothing"), Err("there is no number in it".to_owned()));
        assert_eq!(read("1 2\n3 x\n"), Err("line 2: \"x\" is no number from -32768 to 32767".to_owned()));
        assert!(read("40000").is_err() && read(&"1 ".repeat(MOST + 1)).is_err() && read(&"1 ".repeat(MOST)).is_ok());
    }

    #[test]
    fn a_normal_distribution_is_even_on_both_sides() {
        let table = table("normal").unwrap();
        assert!(table.is_sorted() && table[2048].abs() <= 2 && table[2048 + 1024].abs_diff(5525) <= 2, "{:?}", &table[3070..3075]);
        assert_eq!(super::table("uniform"), None);
    }
}
