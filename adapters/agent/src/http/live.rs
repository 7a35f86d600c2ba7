//! Bodies: what is there as a whole, and the log as it grows.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::json;
use tokio::sync::mpsc;

use crate::log::{Level, Line};

/// What is sent behind the head of an answer.
#[derive(Debug)]
pub(super) enum Payload {
    Whole(Full<Bytes>),
    Log { lines: mpsc::Receiver<Line>, json: bool },
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Payload::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Payload::Log { lines, json } => {
                let json = *json;
                lines.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(render(&line, json).into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Payload::Whole(whole) => whole.is_end_stream(),
            Payload::Log { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Payload::Whole(whole) => whole.size_hint(),
            Payload::Log { .. } => SizeHint::default(),
        }
    }
}

/// A line as the API shows it.
fn render(line: &Line, as_json: bool) -> String {
    // `YYYY/MM/DD HH:MM:SS [LEVEL] source: text`
    let text = line.text.split_once("] ").map_or(&*line.text, |(_, text)| text);
    let (source, message) = text.split_once(": ").unwrap_or(("agent", text));
    let now = Utc::now();
    if as_json {
        let entry = json!({
            "@level": word(line.level).to_lowercase(),
            "@message": message,
            "@module": source,
            "@timestamp": now.to_rfc3339_opts(SecondsFormat::Micros, true),
        });
        return format!("{entry}\n");
    }
    let (time, level) = (now.to_rfc3339_opts(SecondsFormat::Millis, true), format!("[{}]", word(line.level)));
    format!("{time} {level:<7} {source}: {message}\n")
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Err => "ERROR",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_as_the_original_shows_it() {
        let line = |level| Line { level, text: "2026/11/21 00:26:34 [WARN] serf: a: b".into() };
        let text = render(&line(Level::Warn), false);
        assert!(text.ends_with("Z [WARN]  serf: a: b\n"), "{text}");
        assert!(render(&line(Level::Err), false).contains("Z [ERROR] serf"));
        let value: serde_json::Value = serde_json::from_str(&render(&line(Level::Err), true)).unwrap();
        assert_eq!(value["@level"], json!("error"));
        assert_eq!((&value["@module"], &value["@message"]), (&json!("serf"), &json!("a: b")));
    }
}
