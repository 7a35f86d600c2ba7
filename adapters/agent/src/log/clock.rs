//! Time stamps of log lines.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Local};

use super::{LINE_BYTES_MAX, Level};

/// Writes the start of lines; formats each second once.
#[derive(Default)]
pub(super) struct Clock {
    second: i64,
    stamp: String,
}

impl Clock {
    /// A whole line, without one line feed at its end, cut where it gets too long.
    pub(super) fn line(&mut self, level: Level, source: &str, text: fmt::Arguments<'_>) -> String {
        self.line_at(Local::now(), level, source, text)
    }

    fn line_at(
        &mut self,
        now: DateTime<Local>,
        level: Level,
        source: &str,
        text: fmt::Arguments<'_>,
    ) -> String {
        if self.stamp.is_empty() || self.second != now.timestamp() {
            self.second = now.timestamp();
            self.stamp = now.format("%Y/%m/%d %H:%M:%S").to_string();
        }
        let mut line = format!("{} [{}] {source}: ", self.stamp, level.as_str());
        line.write_fmt(text).expect("writing to a string cannot fail");
        if line.ends_with('\n') {
            line.pop();
        }
        if line.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            line.truncate(end);
            line.push_str("...");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_line_has_the_form_of_the_original() {
        let now = Local.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap();
        let mut clock = Clock::default();
        let line = clock.line_at(now, Level::Err, "agent", format_args!("two\n\tlines\n\n"));
        assert_eq!(line, "2026/01/02 03:04:05 [ERR] agent: two\n\tlines\n");
        let long = clock.line_at(now, Level::Info, "agent", format_args!("{}", "é".repeat(LINE_BYTES_MAX)));
        assert!(long.len() <= LINE_BYTES_MAX + 3 && long.ends_with("é..."));
    }
}
