//! Reading much without keeping others from their turn.

/// So many bytes are read at a stretch.
const MOST: usize = 64 << 10;

/// What was read since others last had their turn.
///
/// Reading keeps a thread of the runtime busy, and a batch may be a hundred megabytes. The sidecar's probe waits half a second for
/// its answer; without one the sidecar unsubscribes, and the whole batch comes again, to be read as slowly.
#[derive(Default)]
pub(crate) struct Stretch(usize);

impl Stretch {
    /// Counts what was read, and lets others have their turn when it is much.
    pub(crate) async fn has_read(&mut self, bytes: usize) {
        self.0 += bytes;
        if self.0 >= MOST {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As much as is read at a stretch.
    pub(crate) const MUCH: usize = MOST;

    /// How often another task of the same thread has its turn meanwhile.
    pub(crate) async fn turns_during<T>(work: impl Future<Output = T>) -> usize {
        let mut turns = 0;
        let other = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = work => {}
            () = other => unreachable!("it has no end"),
        }
        turns
    }

    #[tokio::test]
    async fn others_have_their_turn_while_much_is_read() {
        let read = async |messages: usize, size: usize| {
            let mut stretch = Stretch::default();
            for _ in 0..messages {
                stretch.has_read(size).await;
            }
        };
        assert_eq!(turns_during(read(100, 500)).await, 0, "what is soon read is read at once");
        assert_eq!(turns_during(read(6, MUCH)).await, 6);
        assert_eq!(turns_during(read(6, 20 * MUCH)).await, 6);
        assert_eq!(turns_during(read(60, MUCH / 10 + 1)).await, 6);
    }
}
