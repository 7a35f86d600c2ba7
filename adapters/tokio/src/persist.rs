//! Records on their way to stable storage: the node decides what, the application writes.

use tidings_core::{Persist, PersistId};
use tokio::sync::mpsc;

use crate::driver::Completion;

/// Something to write, handed to the receiver of
/// [`Options::persist`](crate::Options::persist).
#[derive(Debug)]
pub struct PersistRequest {
    /// What to write, and how.
    pub persist: Persist,
    /// Requests lost before this one because the channel was full. Not zero: appended records are
    /// incomplete until the next [`Persist::Replace`].
    pub lost: u64,
    /// Present if the node waits to hear how it went.
    pub reply: Option<PersistReply>,
}

/// Tells the node how a write went. Dropped unused, it says that the write failed.
#[derive(Debug)]
pub struct PersistReply {
    id: PersistId,
    completions: Option<mpsc::UnboundedSender<Completion>>,
}

impl PersistReply {
    /// Reports the outcome; the text of an error reaches whoever asked for the change.
    pub fn done(mut self, result: Result<(), String>) {
        self.report(result);
    }

    fn report(&mut self, result: Result<(), String>) {
        if let Some(completions) = self.completions.take() {
            // Without a receiver the node is gone, and nobody waits.
            let _ = completions.send(Completion::Persisted { id: self.id, result });
        }
    }
}

impl Drop for PersistReply {
    fn drop(&mut self) {
        self.report(Err("the record was not written: its writer gave up".into()));
    }
}

/// The node's end: never waits for the writer.
#[derive(Debug)]
pub(crate) struct Records {
    writer: Option<mpsc::Sender<PersistRequest>>,
    completions: mpsc::UnboundedSender<Completion>,
    lost: u64,
}

impl Records {
    pub(crate) fn new(
        writer: Option<mpsc::Sender<PersistRequest>>,
        completions: mpsc::UnboundedSender<Completion>,
    ) -> Self {
        Records { writer, completions, lost: 0 }
    }

    /// Hands a record to the writer. If that cannot take it, it counts as lost, and who waits for
    /// it is told so (by the reply's drop).
    pub(crate) fn hand_over(&mut self, persist: Persist) {
        let reply = match &persist {
            Persist::Keyring { id, .. } | Persist::Registry { id, .. } => {
                Some(PersistReply { id: *id, completions: Some(self.completions.clone()) })
            }
            _ => None,
        };
        let request = PersistRequest { persist, lost: self.lost, reply };
        match self.writer.as_ref().map(|writer| writer.try_send(request)) {
            Some(Ok(())) => self.lost = 0,
            Some(Err(_)) | None => self.lost += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn line(text: &'static str) -> Persist {
        Persist::Append { lines: Bytes::from_static(text.as_bytes()), flush: false }
    }

    fn keyring(id: u64) -> Persist {
        Persist::Keyring { id: PersistId(id), keys: Box::new([]) }
    }

    #[test]
    fn a_full_writer_is_told_how_many_records_it_lost() {
        let (completions, _) = mpsc::unbounded_channel();
        let (writer, mut written) = mpsc::channel(1);
        let mut records = Records::new(Some(writer), completions);
        for text in ["a\n", "b\n", "c\n"] {
            records.hand_over(line(text));
        }
        assert_eq!(written.try_recv().unwrap().lost, 0);
        records.hand_over(line("d\n"));
        assert_eq!(written.try_recv().unwrap().lost, 2);
        records.hand_over(line("e\n"));
        assert_eq!(written.try_recv().unwrap().lost, 0);
    }

    #[test]
    fn a_keyring_nobody_writes_is_reported_as_not_written() {
        let (completions, mut outcomes) = mpsc::unbounded_channel();
        let (writer, mut written) = mpsc::channel(1);
        let mut records = Records::new(Some(writer), completions);

        records.hand_over(keyring(1));
        drop(written.try_recv().unwrap());
        assert!(matches!(
            outcomes.try_recv(),
            Ok(Completion::Persisted { id: PersistId(1), result: Err(_) })
        ));

        records.hand_over(keyring(2));
        records.hand_over(keyring(3));
        assert!(matches!(
            outcomes.try_recv(),
            Ok(Completion::Persisted { id: PersistId(3), result: Err(_) })
        ));

        written.try_recv().unwrap().reply.unwrap().done(Ok(()));
        assert!(matches!(
            outcomes.try_recv(),
            Ok(Completion::Persisted { id: PersistId(2), result: Ok(()) })
        ));
        assert!(outcomes.try_recv().is_err());
    }
}
