//! A small HTTP server on this machine, whose answers a test chooses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is asked: a path, and from which byte on.
pub type Asked = (String, Option<usize>);

/// What is answered.
#[derive(Clone, Default)]
pub struct Answer {
    /// With 0 nothing is said at all.
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection stays open and silent behind the body.
    pub hangs: bool,
}

impl Answer {
    /// A whole file.
    pub fn file(body: &[u8]) -> Answer {
        Answer { status: 200, headers: vec![length(body.len())], body: body.to_vec(), hangs: false }
    }

    /// A file from a byte on, as servers answer that know ranges.
    pub fn part(body: &[u8], start: Option<usize>) -> Answer {
        let Some(start) = start else { return Answer::file(body) };
        let (all, rest) = (body.len(), &body[start.min(body.len())..]);
        if rest.is_empty() {
            return Answer::status(416);
        }
        let range = ("Content-Range", format!("bytes {start}-{}/{all}", all - 1));
        Answer { status: 206, headers: vec![length(rest.len()), range], body: rest.to_vec(), hangs: false }
    }

    /// A status with a few words.
    pub fn status(status: u16) -> Answer {
        Answer { status, ..Answer::file(b"words of the server") }
    }

    /// The connection breaks after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Answer {
        self.body.truncate(bytes);
        self
    }
}

fn length(bytes: usize) -> (&'static str, String) {
    ("Content-Length", bytes.to_string())
}

/// A server, and what it was asked.
pub struct Server {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers until the process ends.
    pub fn new(answer: impl Fn(&str, Option<usize>) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Server { address, asked }
    }

    /// What was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().expect("no panic in the server"))
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &dyn Fn(&str, Option<usize>) -> Answer) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_string();
    let mut start = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok();
        }
    }
    log.lock().expect("no panic in the server").push((path.clone(), start));
    let answer = answer(&path, start);
    let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A client that has seen enough hangs up.
    let _ = answer.status > 0 && (&stream).write_all(&[head.as_bytes(), b"\r\n", &answer.body].concat()).is_ok();
    if answer.hangs {
        thread::sleep(Duration::from_secs(60));
    }
}
