//! Reading and writing on threads of their own, for descriptors that may not be made non-blocking.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

/// Reads on a thread of its own: one chunk ahead at most, and it ends with the process if it is stuck.
pub(crate) fn read_on_thread(mut file: File) -> io::Result<mpsc::Receiver<io::Result<Vec<u8>>>> {
    let (sender, chunks) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let chunk = match file.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(buffer[..length].to_vec()),
                Err(error) => match wait_after(error, &file, PollFlags::IN) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            let is_last = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(chunks)
}

/// Writes on a thread of its own, one chunk at a time; if that is stuck, it ends with the process.
///
/// No task of the runtime's, since a runtime waits at its end for tasks that block, and for a client that does not
/// read it would wait for ever.
#[derive(Debug)]
pub(crate) struct Writer {
    chunks: mpsc::Sender<Vec<u8>>,
    results: mpsc::Receiver<io::Result<()>>,
    /// How many bytes the thread has that it has not reported as written.
    handed: usize,
}

impl Writer {
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let (chunks, mut handed) = mpsc::channel::<Vec<u8>>(1);
        let (reports, results) = mpsc::channel(1);
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            while let Some(chunk) = handed.blocking_recv() {
                if reports.blocking_send(write_all(&mut file, &chunk)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, results, handed: 0 })
    }

    /// Writes bytes, and says how many. After it was dropped it is to be given what it was given before, and more if
    /// there is more: those that are on their way are waited for, and nothing is written twice.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        if self.handed == 0 {
            self.chunks.try_send(bytes.to_vec()).map_err(|_| gone())?;
            self.handed = bytes.len();
        }
        let result = self.results.recv().await;
        let length = std::mem::take(&mut self.handed);
        result.unwrap_or_else(|| Err(gone())).map(|()| length)
    }
}

fn write_all(file: &mut File, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => rest = &rest[length..],
            Err(error) => wait_after(error, file, PollFlags::OUT)?,
        }
    }
    Ok(())
}

/// Waits where trying again may help: whoever shares a terminal may have made it non-blocking.
fn wait_after(error: io::Error, file: &File, ready: PollFlags) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => match poll(&mut [PollFd::new(file, ready)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        },
        _ => Err(error),
    }
}
