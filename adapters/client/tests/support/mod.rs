//! An agent that plays a recorded or written conversation.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A step of the conversation.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The client must send exactly these bytes.
    Expect(Vec<u8>),
    /// The agent sends these.
    Send(Vec<u8>),
}

/// The steps of a recorded talk, up to the point where a side closed.
pub(crate) fn recorded(version: &str, name: &str) -> Vec<Step> {
    let path = format!("tests/vectors/rpc/{version}/{name}.json");
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let frames = json["frames"].as_array().unwrap().iter();
    let step = |frame: &serde_json::Value| {
        let hex = frame["hex"].as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        if frame["dir"] == "c2s" { Step::Expect(bytes.collect()) } else { Step::Send(bytes.collect()) }
    };
    frames.take_while(|frame| frame["hex"] != "EOF").map(step).collect()
}

/// The handshake every conversation begins with.
pub(crate) fn handshake() -> Vec<Step> {
    recorded("serf-0.9.4", "cli-event").into_iter().take(2).collect()
}

/// Serves one connection by `steps`, then closes it once the client has. Returns its address; the
/// task panics when the client says something else.
pub(crate) async fn agent(steps: Vec<Step>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let play = async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for step in steps {
            play(&mut socket, step).await;
        }
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "the client says more than it should");
    };
    (addr, tokio::spawn(play))
}

async fn play(socket: &mut TcpStream, step: Step) {
    match step {
        Step::Expect(bytes) => {
            let mut got = vec![0; bytes.len()];
            socket.read_exact(&mut got).await.unwrap();
            assert_eq!(got.escape_ascii().to_string(), bytes.escape_ascii().to_string());
        }
        Step::Send(bytes) => socket.write_all(&bytes).await.unwrap(),
    }
}
