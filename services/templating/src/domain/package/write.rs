//! Writing a zip package: what never changes is one block of bytes that is copied; what changes is packed behind it. No times, no
//! attributes, so the same content gives the same bytes.
//! Called by the renderer and the joiner.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::read::{Entry, Package};
use super::{CENTRAL, DESCRIPTOR, END, LOCAL, Method};

/// 1980-01-01, the first day that zip knows.
const DATE: u16 = 0x0021;
/// The level of packing: letters are small and many, so the quick one.
const LEVEL: u32 = 1;

/// The files that are the same in every letter, ready to be copied, with their part of the directory.
#[derive(Debug, Default)]
pub struct Skeleton {
    block: Vec<u8>,
    central: Vec<u8>,
    count: u32,
}

/// A file that is packed and stands in no package yet.
#[derive(Debug, Clone)]
pub struct Ready {
    name: String,
    method: Method,
    crc: u32,
    size: u32,
    packed: Vec<u8>,
}

impl Ready {
    /// Bytes as it is packed.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// A file of the template as it is packed there.
    pub fn copy(package: &Package<'_>, entry: &Entry) -> Self {
        let packed = package.packed(entry).to_vec();
        Self { name: entry.name.clone(), method: entry.method, crc: entry.crc, size: entry.size, packed }
    }

    /// Packs a file.
    pub fn pack(name: &str, bytes: &[u8]) -> Self {
        let mut spool = Spool::new(name, 6);
        spool.push(bytes);
        spool.finish()
    }

    /// Its path.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A file that is packed while another one is being written.
pub struct Spool {
    name: String,
    compress: Compress,
    crc: crc32fast::Hasher,
    size: u64,
    packed: Vec<u8>,
}

impl Spool {
    /// Begins a file.
    pub fn new(name: &str, level: u32) -> Self {
        let compress = Compress::new(Compression::new(level), false);
        Self { name: name.to_owned(), compress, crc: crc32fast::Hasher::new(), size: 0, packed: Vec::new() }
    }

    /// Adds a piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        deflate(&mut self.compress, bytes, FlushCompress::None, &mut self.packed);
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    /// Ends the file.
    pub fn finish(mut self) -> Ready {
        deflate(&mut self.compress, &[], FlushCompress::Finish, &mut self.packed);
        let (crc, size) = (self.crc.finalize(), self.size as u32);
        Ready { name: self.name, method: Method::Deflated, crc, size, packed: self.packed }
    }
}

/// What a header says of a file.
struct Head<'n> {
    name: &'n str,
    method: Method,
    crc: u32,
    packed: u32,
    size: u32,
    /// Sizes stand behind the content, not before it.
    is_streamed: bool,
}

impl Skeleton {
    /// Adds a file.
    pub fn add(&mut self, ready: &Ready) {
        self.put(&ready.name, ready.method, ready.crc, ready.size, &ready.packed);
    }

    /// Adds a file of the template as it is packed there.
    pub fn copy(&mut self, package: &Package<'_>, entry: &Entry) {
        self.put(entry.name.as_str(), entry.method, entry.crc, entry.size, package.packed(entry));
    }

    /// Adds a file that is not packed: the `mimetype` of ODT must be readable at its place.
    pub fn store(&mut self, name: &str, bytes: &[u8]) {
        self.put(name, Method::Stored, crc32fast::hash(bytes), bytes.len() as u32, bytes);
    }

    /// Size of the copied block in bytes.
    pub fn bytes(&self) -> usize {
        self.block.len() + self.central.len()
    }

    fn put(&mut self, name: &str, method: Method, crc: u32, size: u32, packed: &[u8]) {
        let head = Head { name, method, crc, packed: packed.len() as u32, size, is_streamed: false };
        let offset = self.block.len() as u32;
        push_local(&mut self.block, &head);
        self.block.extend_from_slice(packed);
        push_central(&mut self.central, &head, offset);
        self.count += 1;
    }
}

/// A package that is being written. It may be drained on the way, so that a large one is never whole in memory.
pub struct Archive {
    out: Vec<u8>,
    drained: u64,
    central: Vec<u8>,
    count: u32,
    compress: Compress,
    open: Option<Open>,
}

struct Open {
    name: String,
    offset: u64,
    begin: u64,
    crc: crc32fast::Hasher,
    size: u64,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            out: Vec::new(),
            drained: 0,
            central: Vec::new(),
            count: 0,
            compress: Compress::new(Compression::new(LEVEL), false),
            open: None,
        }
    }
}

impl Archive {
    /// Begins anew with the files of a skeleton.
    pub fn begin(&mut self, skeleton: &Skeleton) {
        self.out.clear();
        self.out.extend_from_slice(&skeleton.block);
        self.central.clear();
        self.central.extend_from_slice(&skeleton.central);
        self.drained = 0;
        self.count = skeleton.count;
        self.open = None;
    }

    /// How many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.drained + self.out.len() as u64
    }

    /// What was written since the last time.
    pub fn drain(&mut self) -> &[u8] {
        self.drained += self.out.len() as u64;
        &self.out
    }

    /// Forgets what `drain` gave.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// Adds a whole file and packs it.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        self.put(name, Method::Deflated, bytes);
    }

    /// Adds a whole file as it is: pictures are packed already.
    pub fn store(&mut self, name: &str, bytes: &[u8]) {
        self.put(name, Method::Stored, bytes);
    }

    fn put(&mut self, name: &str, method: Method, bytes: &[u8]) {
        let offset = self.written() as u32;
        let at = self.out.len();
        let crc = crc32fast::hash(bytes);
        let mut head = Head { name, method, crc, packed: 0, size: bytes.len() as u32, is_streamed: false };
        push_local(&mut self.out, &head);
        let begin = self.out.len();
        match method {
            Method::Stored => self.out.extend_from_slice(bytes),
            Method::Deflated => {
                self.compress.reset();
                deflate(&mut self.compress, bytes, FlushCompress::Finish, &mut self.out);
            }
        }
        head.packed = (self.out.len() - begin) as u32;
        self.out[at + 18..at + 22].copy_from_slice(&head.packed.to_le_bytes());
        push_central(&mut self.central, &head, offset);
        self.count += 1;
    }

    /// Adds a file that is packed already.
    pub fn copy(&mut self, ready: &Ready) {
        let offset = self.written() as u32;
        let packed = ready.packed.len() as u32;
        let head = Head {
            name: &ready.name,
            method: ready.method,
            crc: ready.crc,
            packed,
            size: ready.size,
            is_streamed: false,
        };
        push_local(&mut self.out, &head);
        self.out.extend_from_slice(&ready.packed);
        push_central(&mut self.central, &head, offset);
        self.count += 1;
    }

    /// Begins a file whose content comes in pieces. One at a time.
    pub fn open(&mut self, name: &str) {
        let head = Head { name, method: Method::Deflated, crc: 0, packed: 0, size: 0, is_streamed: true };
        let offset = self.written();
        push_local(&mut self.out, &head);
        self.compress.reset();
        let begin = self.written();
        self.open =
            Some(Open { name: name.to_owned(), offset, begin, crc: crc32fast::Hasher::new(), size: 0 });
    }

    /// Adds a piece to the open file.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.crc.update(bytes);
            open.size += bytes.len() as u64;
            deflate(&mut self.compress, bytes, FlushCompress::None, &mut self.out);
        }
    }

    /// Ends the open file.
    pub fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        deflate(&mut self.compress, &[], FlushCompress::Finish, &mut self.out);
        let packed = (self.written() - open.begin) as u32;
        let (crc, size) = (open.crc.finalize(), open.size as u32);
        for word in [DESCRIPTOR, crc, packed, size] {
            self.out.extend_from_slice(&word.to_le_bytes());
        }
        let head = Head { name: &open.name, method: Method::Deflated, crc, packed, size, is_streamed: true };
        push_central(&mut self.central, &head, open.offset as u32);
        self.count += 1;
    }

    /// Writes the directory. `drain` or `bytes` gives the rest.
    pub fn finish(&mut self) {
        let begin = self.written() as u32;
        self.out.extend_from_slice(&self.central);
        self.out.extend_from_slice(&END.to_le_bytes());
        self.out.extend_from_slice(&[0; 4]);
        for _ in 0..2 {
            self.out.extend_from_slice(&(self.count as u16).to_le_bytes());
        }
        self.out.extend_from_slice(&(self.central.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&begin.to_le_bytes());
        self.out.extend_from_slice(&[0; 2]);
    }

    /// What stands in memory.
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// How many files it holds.
    pub fn count(&self) -> u32 {
        self.count
    }
}

fn deflate(compress: &mut Compress, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    loop {
        out.reserve(bytes.len() / 4 + 256);
        let before = compress.total_in();
        let status =
            compress.compress_vec(bytes, out, flush).expect("the state was reset and the memory is there");
        bytes = &bytes[(compress.total_in() - before) as usize..];
        let is_over = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => bytes.is_empty() && out.len() < out.capacity(),
        };
        if is_over {
            return;
        }
    }
}

fn flags(head: &Head<'_>) -> u16 {
    let utf8 = if head.name.is_ascii() { 0 } else { 0x0800 };
    utf8 | if head.is_streamed { 0x0008 } else { 0 }
}

fn push_common(out: &mut Vec<u8>, head: &Head<'_>) {
    let method: u16 = if head.method == Method::Stored { 0 } else { 8 };
    for half in [20, flags(head), method, 0, DATE] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    for word in [head.crc, head.packed, head.size] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&(head.name.len() as u16).to_le_bytes());
    out.extend_from_slice(&[0; 2]);
}

fn push_local(out: &mut Vec<u8>, head: &Head<'_>) {
    out.extend_from_slice(&LOCAL.to_le_bytes());
    push_common(out, head);
    out.extend_from_slice(head.name.as_bytes());
}

fn push_central(out: &mut Vec<u8>, head: &Head<'_>, offset: u32) {
    out.extend_from_slice(&CENTRAL.to_le_bytes());
    out.extend_from_slice(&20_u16.to_le_bytes());
    push_common(out, head);
    // Comment, disk, attributes: nothing.
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(head.name.as_bytes());
}
