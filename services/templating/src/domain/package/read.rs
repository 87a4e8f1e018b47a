//! Reading a zip package: the central directory is believed only where the local headers and the bytes agree.
//! Called by `Template::compile` on bytes from outside.

use std::collections::HashSet;
use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::{CENTRAL, END, LOCAL, Method};
use crate::domain::finding::Problem;
use crate::domain::limits::Limits;

/// A file in a package.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path, with slashes.
    pub name: String,
    /// How it is packed.
    pub method: Method,
    /// CRC-32 of what is unpacked.
    pub crc: u32,
    /// Size of what is unpacked in bytes.
    pub size: u32,
    /// Where the packed bytes stand.
    pub packed: Range<usize>,
}

/// A package whose directory was checked.
pub struct Package<'b> {
    bytes: &'b [u8],
    entries: Vec<Entry>,
}

impl<'b> Package<'b> {
    /// Reads the directory and checks it against the caps, the local headers and itself. Nothing is unpacked yet.
    pub fn open(bytes: &'b [u8], limits: &Limits) -> Result<Self, Problem> {
        if bytes.len() > limits.template_bytes {
            let most = limits.template_bytes;
            return Err(Problem::Limit(format!("the file has {} bytes, {most} are allowed", bytes.len())));
        }
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(Problem::Refused(
                "an old .doc file or a file with a password; save it as .docx without one".into(),
            ));
        }
        let end = find_end(bytes)?;
        let count = usize::from(u16_at(bytes, end + 10)?);
        let (size, begin) = (u32_at(bytes, end + 12)? as usize, u32_at(bytes, end + 16)? as usize);
        if count == 0xffff || size == 0xffff_ffff || begin == 0xffff_ffff {
            return Err(broken("zip64 is not needed for a file of this size"));
        }
        if u16_at(bytes, end + 4)? != 0
            || u16_at(bytes, end + 6)? != 0
            || usize::from(u16_at(bytes, end + 8)?) != count
        {
            return Err(broken("it says to be a part of several"));
        }
        if count > limits.entries {
            return Err(Problem::Limit(format!("{count} files in it, {} are allowed", limits.entries)));
        }
        if begin.checked_add(size) != Some(end) {
            return Err(broken("its directory is not where it says"));
        }
        let mut package = Self { bytes, entries: Vec::with_capacity(count) };
        let mut at = begin;
        for _ in 0..count {
            at = package.read_entry(at, begin, limits)?;
        }
        if at != end {
            return Err(broken("its directory has more in it than it says"));
        }
        package.check_whole(limits)?;
        Ok(package)
    }

    /// All files in the order of the directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The packed bytes of a file.
    pub fn packed(&self, entry: &Entry) -> &'b [u8] {
        &self.bytes[entry.packed.clone()]
    }

    /// Unpacks a file that may have at most so many bytes.
    pub fn read(&self, entry: &Entry, most: usize) -> Result<Vec<u8>, Problem> {
        if entry.size as usize > most {
            return Err(Problem::Limit(format!(
                "{} has {} bytes unpacked, {most} are allowed",
                entry.name, entry.size
            )));
        }
        let mut out = Vec::with_capacity(entry.size as usize);
        self.unpack(entry, |chunk| out.extend_from_slice(chunk))?;
        Ok(out)
    }

    /// Unpacks a file to nowhere: its size and its checksum must be what the directory says, for it is copied as it is.
    pub fn verify(&self, entry: &Entry) -> Result<(), Problem> {
        self.unpack(entry, |_| {})
    }

    fn unpack(&self, entry: &Entry, mut take: impl FnMut(&[u8])) -> Result<(), Problem> {
        let mut crc = crc32fast::Hasher::new();
        let mut size = 0_u64;
        let mut pass = |chunk: &[u8]| {
            size += chunk.len() as u64;
            if size <= u64::from(entry.size) {
                crc.update(chunk);
                take(chunk);
            }
            size <= u64::from(entry.size)
        };
        let packed = self.packed(entry);
        match entry.method {
            Method::Stored => {
                pass(packed);
            }
            Method::Deflated => {
                inflate(packed, &mut pass).map_err(|why| broken(&format!("{}: {why}", entry.name)))?
            }
        }
        if size != u64::from(entry.size) || crc.finalize() != entry.crc {
            return Err(broken(&format!("{} is not what the directory says", entry.name)));
        }
        Ok(())
    }

    fn read_entry(&mut self, at: usize, directory: usize, limits: &Limits) -> Result<usize, Problem> {
        let bytes = self.bytes;
        if u32_at(bytes, at)? != CENTRAL {
            return Err(broken("its directory is broken"));
        }
        let flags = u16_at(bytes, at + 8)?;
        let method = u16_at(bytes, at + 10)?;
        let (packed, size) = (u32_at(bytes, at + 20)?, u32_at(bytes, at + 24)?);
        let name_length = usize::from(u16_at(bytes, at + 28)?);
        let rest = usize::from(u16_at(bytes, at + 30)?) + usize::from(u16_at(bytes, at + 32)?);
        let offset = u32_at(bytes, at + 42)? as usize;
        let name = bytes.get(at + 46..at + 46 + name_length).ok_or_else(|| broken("it is cut off"))?;
        let name = checked_name(name)?;
        if flags & 0x2041 != 0 {
            return Err(Problem::Refused(format!(
                "{name} is encrypted; save the template without a password"
            )));
        }
        let method = match method {
            0 if packed == size => Method::Stored,
            8 => Method::Deflated,
            _ => return Err(broken(&format!("{name} is packed in a way that office programs do not use"))),
        };
        if packed == u32::MAX || size == u32::MAX || offset == 0xffff_ffff {
            return Err(broken("zip64 is not needed for a file of this size"));
        }
        if u64::from(size) > (1 << 20) && u64::from(size) > limits.ratio * u64::from(packed) {
            return Err(Problem::Limit(format!(
                "{name} becomes more than {} times larger when it is unpacked",
                limits.ratio
            )));
        }
        // The local header has lengths of its own, and its name must be the same one.
        if u32_at(bytes, offset)? != LOCAL || u16_at(bytes, offset + 8)? != u16_at(bytes, at + 10)? {
            return Err(broken(&format!("{name} is not where the directory says")));
        }
        let local_name = usize::from(u16_at(bytes, offset + 26)?);
        let begin = offset + 30 + local_name + usize::from(u16_at(bytes, offset + 28)?);
        if bytes.get(offset + 30..offset + 30 + local_name) != Some(name.as_bytes()) {
            return Err(broken(&format!("{name} has another name in its own header")));
        }
        let end = begin + packed as usize;
        if end > directory {
            return Err(broken(&format!("{name} is cut off")));
        }
        self.entries.push(Entry { name, method, crc: u32_at(bytes, at + 16)?, size, packed: begin..end });
        Ok(at + 46 + name_length + rest)
    }

    /// What only the whole shows: the sum of the sizes, doubled names, files that share bytes.
    fn check_whole(&self, limits: &Limits) -> Result<(), Problem> {
        let total: u64 = self.entries.iter().map(|entry| u64::from(entry.size)).sum();
        if total > limits.unpacked_bytes {
            return Err(Problem::Limit(format!(
                "{total} bytes unpacked, {} are allowed",
                limits.unpacked_bytes
            )));
        }
        let mut names = HashSet::new();
        for entry in &self.entries {
            if !names.insert(entry.name.to_lowercase()) {
                return Err(broken(&format!("{} stands in it twice", entry.name)));
            }
        }
        let mut ranges: Vec<_> =
            self.entries.iter().map(|entry| (entry.packed.start, entry.packed.end)).collect();
        ranges.sort_unstable();
        if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(broken("two files in it share bytes"));
        }
        Ok(())
    }
}

/// Unpacks deflate by chunks; `pass` says whether to go on.
fn inflate(packed: &[u8], pass: &mut impl FnMut(&[u8]) -> bool) -> Result<(), String> {
    let mut state = Decompress::new(false);
    let mut chunk = vec![0; 32 << 10];
    loop {
        let (read, written) = (state.total_in() as usize, state.total_out());
        let status = state
            .decompress(&packed[read..], &mut chunk, FlushDecompress::None)
            .map_err(|error| error.to_string())?;
        let made = (state.total_out() - written) as usize;
        if !pass(&chunk[..made]) {
            return Err("it is larger than the directory says".into());
        }
        match status {
            Status::StreamEnd if state.total_in() as usize == packed.len() => return Ok(()),
            Status::StreamEnd => return Err("it has bytes behind its end".into()),
            _ if made == 0 && state.total_in() as usize == read => return Err("it is cut off".into()),
            _ => {}
        }
    }
}

/// The end record: the last one whose comment reaches exactly to the end of the file.
fn find_end(bytes: &[u8]) -> Result<usize, Problem> {
    if !bytes.starts_with(&LOCAL.to_le_bytes()) {
        return Err(Problem::Package("this is no DOCX or ODT file".into()));
    }
    let from = bytes.len().saturating_sub(22 + 0xffff);
    (from..=bytes.len().saturating_sub(22))
        .rev()
        .find(|at| {
            u32_at(bytes, *at) == Ok(END)
                && u16_at(bytes, at + 20).is_ok_and(|comment| at + 22 + usize::from(comment) == bytes.len())
        })
        .ok_or_else(|| broken("it is cut off"))
}

fn checked_name(name: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(name).map_err(|_| broken("a file's name is not UTF-8"))?;
    let odd = text.is_empty()
        || text.len() > 500
        || text.starts_with('/')
        || text.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
        || text.split('/').any(|step| step == ".." || step == ".");
    if odd {
        Err(broken(&format!("a file has a name that leads elsewhere: {text:?}")))
    } else {
        Ok(text.to_owned())
    }
}

fn broken(why: &str) -> Problem {
    Problem::Package(format!("the package is broken: {why}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Problem> {
    let found = bytes.get(at..at + 2).ok_or_else(|| broken("it is cut off"))?;
    Ok(u16::from_le_bytes([found[0], found[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Problem> {
    let found = bytes.get(at..at + 4).ok_or_else(|| broken("it is cut off"))?;
    Ok(u32::from_le_bytes([found[0], found[1], found[2], found[3]]))
}
