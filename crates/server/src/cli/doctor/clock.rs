//! Whether this machine's clock agrees with a server's.

use super::Check;
use vestibule::time::Reading;

/// Milliseconds that clocks may differ by before somebody should look.
const TOLERATED_MS: u64 = 1_000;

/// Compares the clocks. `whose` names the server.
pub(super) fn compare(whose: &str, reading: &Reading) -> Check {
    let ahead_ms = reading.ahead_ms();
    if ahead_ms.unsigned_abs() <= TOLERATED_MS {
        return Check::ok("clock", format!("{ahead_ms} ms apart from {whose}"));
    }
    let (ours, by) = if ahead_ms > 0 { ("behind", ahead_ms) } else { ("ahead of", -ahead_ms) };
    Check::degraded(
        "clock",
        format!("this machine's clock is {by} ms {ours} that of {whose}, which deadlines follow"),
        "let both machines keep time by NTP (chrony, systemd-timesyncd)",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use std::time::Instant;
    use vestibule::time::Clock;

    #[test]
    fn a_clock_that_is_minutes_off_is_told() {
        let now = Instant::now();
        let reading = |wrong_by_ms| Reading { time: Clock::wrong_by(wrong_by_ms).now(), asked: now, answered: now };
        assert_eq!(compare("Redis", &reading(0)).status, Status::Ok);
        for (wrong_by_ms, ours) in [(120_000, "behind"), (-120_000, "ahead of")] {
            let check = compare("Redis", &reading(wrong_by_ms));
            assert!(check.status == Status::Degraded && check.detail.contains(ours), "{check:?}");
        }
    }
}
