//! The few protocol buffers of events (`event.proto`, `summary.proto` and `tensor.proto` of TensorBoard), written by hand: five
//! messages need no generator.

use super::histogram::Histogram;

/// The type of tensors of texts.
const DT_STRING: u64 = 7;

/// A message in the making. Fields are written in the order of their numbers; numbers that are zero are left out, as the
/// format has it.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    fn integer(mut self, field: u64, x: u64) -> Message {
        if x != 0 {
            self.varint(field << 3);
            self.varint(x);
        }
        self
    }

    fn double(mut self, field: u64, x: f64) -> Message {
        if x.to_bits() != 0 {
            self.varint(field << 3 | 1);
            self.0.extend(x.to_le_bytes());
        }
        self
    }

    /// One of several: written even where it is zero.
    fn float(mut self, field: u64, x: f32) -> Message {
        self.varint(field << 3 | 5);
        self.0.extend(x.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn doubles(self, field: u64, all: &[f64]) -> Message {
        self.bytes(field, &all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
    }

    fn message(self, field: u64, inner: Message) -> Message {
        self.bytes(field, &inner.0)
    }
}

/// What one event tells under a tag.
pub(super) struct Summary(Message);

impl Summary {
    pub fn scalar(tag: &str, value: f32) -> Summary {
        Summary(Message::default().bytes(1, tag.as_bytes()).float(2, value))
    }

    pub fn histogram(tag: &str, histogram: &Histogram) -> Summary {
        let histogram = Message::default()
            .double(1, histogram.min)
            .double(2, histogram.max)
            .double(3, histogram.count)
            .double(4, histogram.sum)
            .double(5, histogram.sum_of_squares)
            .doubles(6, &histogram.limits)
            .doubles(7, &histogram.counts);
        Summary(Message::default().bytes(1, tag.as_bytes()).message(5, histogram))
    }

    pub fn image(tag: &str, sizes: [usize; 3], png: &[u8]) -> Summary {
        let [height, width, channels] = sizes.map(|size| size as u64);
        let image = Message::default().integer(1, height).integer(2, width).integer(3, channels).bytes(4, png);
        Summary(Message::default().bytes(1, tag.as_bytes()).message(4, image))
    }

    /// A tensor of one text, for the plugin that shows texts.
    pub fn text(tag: &str, text: &str) -> Summary {
        let shape = Message::default().message(2, Message::default().integer(1, 1));
        let tensor = Message::default().integer(1, DT_STRING).message(2, shape).bytes(8, text.as_bytes());
        let plugin = Message::default().message(1, Message::default().bytes(1, b"text"));
        Summary(Message::default().bytes(1, tag.as_bytes()).message(8, tensor).message(9, plugin))
    }
}

/// An event at a time, in seconds since 1970.
pub(super) fn event(time: f64, step: u64, summary: Summary) -> Vec<u8> {
    let summary = Message::default().message(1, summary.0);
    Message::default().double(1, time).integer(2, step).message(5, summary).0
}

/// What [`version`] begins to say.
pub(super) const VERSION: &[u8] = b"brain.Event:";

/// The event that every file begins with.
pub(super) fn version(time: f64) -> Vec<u8> {
    Message::default().double(1, time).bytes(3, &[VERSION, b"2"].concat()).0
}
