//! tar(5), as far as a package needs it: plain files by their names, nothing else, and nothing that two readers could read in two ways.

use super::content::{Content, MOST_BYTES, MOST_FILES, Member, too_much};
use super::gzip;
use crate::model::Fault;

const BLOCK: usize = 512;
/// The most bytes of an archive when it is unpacked: files, and a header and a rest of a block for each.
const MOST: usize = MOST_BYTES + 2 * MOST_FILES * BLOCK + (1 << 20);
/// The most bytes of a header that only says more about the next one.
const MOST_OF_EXTENSION: usize = 16 << 10;

/// Reads a package from the bytes of a tar archive, packed by gzip or not. Nothing is written anywhere.
pub fn read(what: &str, bytes: &[u8]) -> Result<Content, Fault> {
    let tried = format!("take the package {what}");
    if bytes.starts_with(b"PK") {
        return Err(
            Fault::input(tried, "it is a zip archive").hint("a package is a tar archive, packed by gzip or not: `fyke publish` makes one")
        );
    }
    let unpacked;
    let bytes = match gzip::is_gzip(bytes) {
        true => {
            unpacked = gzip::unpack(&tried, bytes, MOST)?;
            &unpacked
        }
        false => bytes,
    };
    if bytes.len() > MOST {
        return Err(too_much(&tried, false));
    }
    let members = Archive { rest: bytes, long: None }.members().map_err(|why| Fault::input(&tried, why))?;
    Content::take(what, members)
}

/// Writes a package as the only archive that its content can be: the files in the order of their names, without modes, owners and times.
pub fn write(content: &Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, file) in content.kept() {
        bytes.extend_from_slice(&header(path, file.len()));
        bytes.extend_from_slice(file);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

struct Archive<'a> {
    rest: &'a [u8],
    /// The name of the next member, where a header before it has said so.
    long: Option<Vec<u8>>,
}

impl<'a> Archive<'a> {
    fn members(mut self) -> Result<Vec<Member>, String> {
        let mut members = Vec::new();
        let mut headers = 0;
        loop {
            let header = self.block()?;
            if header.iter().all(|byte| *byte == 0) {
                return if self.rest.iter().all(|byte| *byte == 0) && self.rest.len() >= BLOCK { Ok(members) } else { Err(self.odd_end()) };
            }
            headers += 1;
            // A folder for each file, and a header that says more about each.
            if headers > 4 * MOST_FILES || members.len() > MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
            self.member(header)?.into_iter().for_each(|member| members.push(member));
        }
    }

    fn odd_end(&self) -> String {
        if self.rest.len() < BLOCK { "it is cut short".to_owned() } else { "there is something behind its end".to_owned() }
    }

    fn block(&mut self) -> Result<&'a [u8], String> {
        let (block, rest) = self.rest.split_at_checked(BLOCK).ok_or(if self.rest.is_empty() {
            "it is cut short, or empty"
        } else {
            "it is no tar archive"
        })?;
        self.rest = rest;
        Ok(block)
    }

    fn data(&mut self, size: usize) -> Result<&'a [u8], String> {
        let padded = size.next_multiple_of(BLOCK);
        let (data, rest) = self.rest.split_at_checked(padded).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(&data[..size])
    }

    /// Takes what one header is about; nothing if it is a folder, or says more about the next one.
    fn member(&mut self, header: &'a [u8]) -> Result<Option<Member>, String> {
        if number(&header[148..156])? != checksum(header) {
            return Err("it is no tar archive, or is damaged: a header has a wrong sum".to_owned());
        }
        let size = number(&header[124..136])?;
        let kind = header[156];
        match kind {
            b'0' | 0 => {
                let path = self.path(header);
                Ok(Some(Member { path, bytes: self.data(size)?.to_vec() }))
            }
            b'5' if size == 0 => {
                let path = self.path(header);
                folder(&path).map(|()| None)
            }
            b'x' | b'g' | b'L' if size <= MOST_OF_EXTENSION => {
                let data = self.data(size)?;
                match kind {
                    b'L' => self.long = Some(until_nul(data).to_vec()),
                    kind => self.records(data, kind == b'g')?,
                }
                Ok(None)
            }
            kind => Err(format!("{} is {}, and a package has plain files only", shown(&self.path(header)), name_of(kind))),
        }
    }

    fn path(&mut self, header: &[u8]) -> Vec<u8> {
        let path = self.long.take().unwrap_or_else(|| {
            let (name, prefix) = (until_nul(&header[..100]), until_nul(&header[345..500]));
            // The old format of GNU has times where the prefix would be.
            if prefix.is_empty() || !header[257..].starts_with(b"ustar\0") { name.to_vec() } else { [prefix, b"/", name].concat() }
        });
        path.strip_prefix(b"./").map_or(path.clone(), <[u8]>::to_vec)
    }

    /// Reads the records of a pax header. What names another size is refused: readers differ in which of two they believe.
    fn records(&mut self, mut data: &[u8], global: bool) -> Result<(), String> {
        while !data.is_empty() {
            let wrong = || "a record of a pax header is not well formed".to_owned();
            let blank = data.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length: usize = std::str::from_utf8(&data[..blank]).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            let record = data.get(blank + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"comment" | b"mtime" | b"atime" | b"ctime" | b"uid" | b"gid" | b"uname" | b"gname" => {}
                b"path" if !global => self.long = Some(value.to_vec()),
                key => return Err(format!("a pax header says {}, which a package does not need", shown(key))),
            }
            data = &data[length..];
        }
        Ok(())
    }
}

/// Folders come with their files; but one that leads elsewhere is no mere folder.
fn folder(path: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(path);
    let odd = text.starts_with('/') || text.contains('\\') || text.trim_end_matches('/').split('/').any(|part| part == "..");
    if odd { Err(format!("the folder {} leads out of the package", shown(path))) } else { Ok(()) }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())]
}

fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).escape_debug())
}

fn name_of(kind: u8) -> String {
    match kind {
        b'1' => "a hard link".to_owned(),
        b'2' => "a symbolic link".to_owned(),
        b'3' | b'4' => "a device".to_owned(),
        b'5' => "a folder with a size".to_owned(),
        b'6' => "a pipe".to_owned(),
        b'x' | b'g' | b'L' => "a header that is too long".to_owned(),
        kind => format!("of the kind {:?}", char::from(kind)),
    }
}

/// Reads a number in octal.
fn number(field: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(field).unwrap_or("?").trim_matches(['\0', ' ']);
    let wrong = || "it is no tar archive, or is damaged: a number is not octal".to_owned();
    if text.is_empty() { Ok(0) } else { usize::from_str_radix(text, 8).ok().filter(|n| *n < 1 << 36).ok_or_else(wrong) }
}

/// Adds up a header, with blanks in the place of the sum itself.
fn checksum(header: &[u8]) -> usize {
    header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { usize::from(*byte) }).sum()
}

fn header(path: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    // A name of a package always has such a slash, if it is longer than 100 bytes: its parts are short.
    let split = if path.len() <= 100 { None } else { path.match_indices('/').map(|(at, _)| at).find(|at| path.len() - at - 1 <= 100) };
    match split {
        None => put(0, path.as_bytes()),
        Some(at) => {
            put(0, &path.as_bytes()[at + 1..]);
            put(345, &path.as_bytes()[..at]);
        }
    }
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
