#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::tests::{n, stack};
use super::super::{Packet, Value};
use super::*;

fn echo(kind: u64, seq: u64) -> Packet {
    let ends = if kind == 8 { ["192.0.2.1", "192.0.2.2"] } else { ["192.0.2.2", "192.0.2.1"] };
    let ends = [("src", Value::text(ends[0])), ("dst", Value::text(ends[1]))];
    stack(&[("ipv4", &ends), ("icmp", &[("type", n(kind)), ("id", n(1)), ("seq", n(seq))])], b"")
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// The clock of the day in the tests, by the one that counts from the beginning.
fn day(now: Duration) -> Duration {
    Duration::from_secs(1_800_000_000) + now
}

fn exchange(requests: u64, tries: u32) -> Exchange {
    let terms = Terms { timeout: ms(100), interval: ms(10), tries };
    Exchange::new((0..requests).map(|seq| echo(8, seq)).collect(), terms).unwrap()
}

/// Sends what is due, and tells which.
fn send(it: &mut Exchange, now: u64) -> Vec<usize> {
    std::iter::from_fn(|| it.due(ms(now)).inspect(|at| it.left(*at, day(ms(now))))).collect()
}

fn answer(it: &mut Exchange, seq: u64, now: u64) -> Came {
    it.received(echo(0, seq), day(ms(now)), ms(now))
}

fn rtt(it: &Exchange, at: usize) -> Option<Duration> {
    match &it.rows[at].outcome {
        Outcome::Answered(answered) => Some(answered.rtt),
        _ => None,
    }
}

#[test]
fn requests_are_sent_at_their_rate_and_matched() {
    let mut it = exchange(3, 1);
    assert_eq!((send(&mut it, 0), it.wake()), (vec![0], Some(ms(10))));
    assert_eq!((send(&mut it, 9), send(&mut it, 10), send(&mut it, 20)), (vec![], vec![1], vec![2]));
    assert_eq!((answer(&mut it, 1, 30), answer(&mut it, 2, 50), it.wake()), (Came::Answer(1), Came::Answer(2), Some(ms(100))));
    assert_eq!((it.expire(ms(99)), it.expire(ms(100)), it.wake()), (vec![], vec![0], None));
    assert_eq!((rtt(&it, 0), rtt(&it, 1), rtt(&it, 2)), (None, Some(ms(20)), Some(ms(30))));
    assert_eq!(it.counts, Counts { sent: 3, answered: 2, ..Counts::default() });
}

#[test]
fn answers_that_come_twice_or_late_are_counted() {
    let mut it = exchange(2, 1);
    send(&mut it, 0);
    send(&mut it, 10);
    assert_eq!((answer(&mut it, 0, 20), answer(&mut it, 0, 25)), (Came::Answer(0), Came::Duplicate(0)));
    it.expire(ms(110));
    assert_eq!((answer(&mut it, 1, 120), answer(&mut it, 2, 120), it.wake()), (Came::Late(1), Came::Stray, None));
    assert_eq!((it.rows[0].others.len(), &it.rows[1].outcome), (1, &Outcome::Silent));
    assert_eq!(it.counts, Counts { sent: 2, answered: 1, duplicates: 1, late: 1, dropped: 0 });
    for _ in 0..40 {
        answer(&mut it, 0, 130);
    }
    assert_eq!((it.rows[0].others.len(), it.counts.duplicates), (KEPT, 41));
}

#[test]
fn who_is_silent_is_asked_again() {
    let mut it = exchange(1, 3);
    assert_eq!((send(&mut it, 0), it.expire(ms(100)), send(&mut it, 100)), (vec![0], vec![], vec![0]));
    // What waits to be sent again, and is answered then, is not sent again.
    assert_eq!((it.expire(ms(200)), answer(&mut it, 0, 205), send(&mut it, 210), it.wake()), (vec![], Came::Answer(0), vec![], None));
    assert_eq!((it.rows[0].tries, rtt(&it, 0)), (2, Some(ms(105))));
    let mut it = exchange(1, 2);
    send(&mut it, 0);
    it.expire(ms(100));
    send(&mut it, 100);
    assert_eq!((it.expire(ms(200)), it.wake(), it.counts.sent), (vec![0], None, 2));
}

#[test]
fn nothing_answers_what_was_not_sent() {
    let mut it = exchange(2, 1);
    send(&mut it, 0);
    assert_eq!(answer(&mut it, 1, 1), Came::Stray);
    it.unsent(0, Fault::input("send", "no"));
    assert_eq!((it.counts.sent, answer(&mut it, 0, 2), it.wake()), (0, Came::Stray, Some(ms(10))));
}

#[test]
fn requests_that_look_the_same_are_answered_in_their_order() {
    let terms = Terms { timeout: ms(100), interval: ms(10), tries: 1 };
    let mut it = Exchange::new(vec![echo(8, 5), echo(8, 5)], terms).unwrap();
    send(&mut it, 0);
    send(&mut it, 10);
    assert_eq!([11, 12, 13].map(|now| answer(&mut it, 5, now)), [Came::Answer(0), Came::Answer(1), Came::Duplicate(1)]);
}

#[test]
fn a_clock_that_is_set_does_not_tell_the_time() {
    let mut it = exchange(2, 1);
    send(&mut it, 0);
    send(&mut it, 10);
    it.received(echo(0, 0), day(ms(0)) - Duration::from_secs(3600), ms(30));
    it.received(echo(0, 1), day(ms(30)) + Duration::from_secs(3600), ms(30));
    assert_eq!((rtt(&it, 0), rtt(&it, 1)), (Some(ms(30)), Some(ms(20))));
}

#[test]
fn who_comes_late_makes_up_for_a_moment_only() {
    let mut it = exchange(10, 1);
    assert_eq!((send(&mut it, 0).len(), send(&mut it, 55).len(), send(&mut it, 59).len(), send(&mut it, 60).len()), (1, 1, 0, 1));
}

#[test]
fn what_is_answered_by_nothing_is_refused() {
    let fault = Exchange::new(vec![echo(8, 1), echo(0, 1)], Terms::default()).unwrap_err();
    assert!(fault.to_string().starts_with("cannot exchange the packet 1: 192.0.2.2 > 192.0.2.1, icmp echo-reply"), "{fault}");
}

proptest! {
    /// Whatever is lost, doubled and late: each request ends one way, none is sent too often or too early, and the counts are what there was.
    #[test]
    fn every_request_comes_to_an_end(fates in proptest::collection::vec((0u64..250, 0u8..4), 1..40), tries in 1u32..4) {
        let mut it = exchange(fates.len() as u64, tries);
        let (mut coming, mut now, mut last): (Vec<(u64, u64)>, u64, Option<u64>) = (Vec::new(), 0, None);
        let mut came = 0;
        while let Some(wake) = it.wake() {
            let next = coming.iter().map(|(at, _)| *at).chain([wake.as_millis() as u64]).min();
            now = now.max(next.unwrap_or_default());
            it.expire(ms(now));
            for (_, seq) in coming.extract_if(.., |(at, _)| *at <= now) {
                came += usize::from(answer(&mut it, seq, now) != Came::Stray);
            }
            for at in send(&mut it, now) {
                prop_assert!(last.is_none_or(|last| now >= last + 5), "the rate");
                last = Some(now);
                // Lost with some tries, answered by none, one or two packets.
                let (delay, copies) = fates[at];
                (0..copies.min(2)).for_each(|copy| coming.push((now + 1 + delay + u64::from(copy), at as u64)));
            }
        }
        prop_assert!(it.rows.iter().all(|row| row.outcome != Outcome::Open && (1..=tries).contains(&row.tries)));
        let answered = it.rows.iter().filter(|row| matches!(row.outcome, Outcome::Answered(_))).count();
        prop_assert_eq!((it.counts.answered, it.counts.answered + it.counts.duplicates + it.counts.late), (answered, came));
        prop_assert_eq!(it.counts.sent, it.rows.iter().map(|row| row.tries as usize).sum::<usize>());
        for (row, (delay, copies)) in it.rows.iter().zip(&fates) {
            if *copies > 0 && *delay < 98 {
                prop_assert!(matches!(&row.outcome, Outcome::Answered(answered) if answered.rtt == ms(delay + 1)), "{:?}", row.outcome);
            }
            if *copies == 0 {
                prop_assert_eq!(&row.outcome, &Outcome::Silent);
            }
        }
    }
}
