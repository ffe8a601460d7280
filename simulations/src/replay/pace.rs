//! How fast the data's time passes.

use std::str::FromStr;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// How much faster than in the data time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Nothing waits for its time.
    Max,
    /// So many times faster.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = text.strip_suffix('x').and_then(|times| times.parse().ok());
        match (text, factor) {
            ("max", _) => Ok(Self::Max),
            (_, Some(times)) if f64::is_normal(times) && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("a speed is `max` or a factor such as `100x`".to_owned()),
        }
    }
}

/// A clock that shows the data's time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: Speed,
    begin: DateTime<Utc>,
    started: Instant,
}

impl Pace {
    /// A clock that begins now to pass from a time of the data.
    #[must_use]
    pub fn new(speed: Speed, begin: DateTime<Utc>) -> Self {
        Self {
            speed,
            begin,
            started: Instant::now(),
        }
    }

    /// When a time of the data comes, if that is yet to be waited for.
    #[must_use]
    pub fn due(&self, at: DateTime<Utc>) -> Option<Instant> {
        let Speed::Times(factor) = self.speed else {
            return None;
        };
        let passed = (at - self.begin).to_std().unwrap_or_default().as_secs_f64() / factor;
        // A wait of more years than a Duration counts is as good as none: nobody is there to see.
        let due = self.started + Duration::try_from_secs_f64(passed).unwrap_or_default();
        (due > Instant::now()).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_speed_is_max_or_a_factor() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("100x".parse(), Ok(Speed::Times(100.0)));
        for text in ["", "x", "0x", "-1x", "NaNx", "infx", "100"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_passes_in_its_part_of_a_day() {
        let begin = DateTime::UNIX_EPOCH;
        let pace = Pace::new(Speed::Times(24.0), begin);
        let due = pace.due(begin + TimeDelta::days(1));
        assert_eq!(due, Some(pace.started + Duration::from_secs(3_600)));
        assert_eq!(pace.due(begin - TimeDelta::days(1)), None);
        assert_eq!(
            Pace::new(Speed::Max, begin).due(begin + TimeDelta::days(1)),
            None
        );
    }
}
