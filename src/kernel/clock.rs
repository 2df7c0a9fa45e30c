//! The clock that deadlines are kept by, and the one on the wall.
#![allow(unsafe_code)]

use std::ffi::CStr;

use nix::time::{ClockId, clock_gettime};

/// Gives the milliseconds of CLOCK_BOOTTIME: nobody can set it, and the time that a machine sleeps counts.
pub fn boottime() -> i64 {
    // It cannot fail: every kernel that fyke runs on has this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000)
}

/// Gives a time of the wall clock, in seconds since 1970, as the hour of the user's time zone: `14:03:20`.
pub fn hour(seconds: i64) -> String {
    local(seconds, c"%H:%M:%S")
}

/// Gives a time of the wall clock as syslog(3) writes it: `Jan  2 14:03:20`.
pub(super) fn stamp(seconds: i64) -> String {
    local(seconds, c"%b %e %H:%M:%S")
}

/// Writes a time as strftime(3) does. The program never sets a locale, so the names of months are English.
fn local(seconds: i64, format: &CStr) -> String {
    let mut text = [0u8; 64];
    // SAFETY: localtime_r(3) fills `parts` from a plain number; strftime(3) writes no more than the length it is given.
    let length = unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const seconds, &raw mut parts).is_null() {
            return String::new();
        }
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &raw const parts)
    };
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_forms_that_people_know() {
        let (hour, stamp) = (hour(1_700_000_000), stamp(1_700_000_000));
        // Minutes and seconds are those of every time zone with whole hours.
        assert!(hour.len() == 8 && hour.ends_with(":20"), "{hour}");
        assert!(stamp.starts_with("Nov 1") && stamp.ends_with(&hour), "{stamp}");
    }

    #[test]
    fn the_time_since_boot_goes_on() {
        let before = boottime();
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert!((2..1000).contains(&(boottime() - before)));
    }
}
