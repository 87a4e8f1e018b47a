//! Pictures that letters bring in: PNG, JPEG and GIF from data, and QR codes drawn here as PNG.
//! `Picture::parse` is the door for bytes; expressions make QR codes.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcodegen::{QrCode, QrCodeEcc};

/// A picture whose format and size are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    bytes: Vec<u8>,
    format: Format,
    width: u32,
    height: u32,
}

/// The formats that Word and LibreOffice both show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG
    Png,
    /// JPEG
    Jpeg,
    /// GIF
    Gif,
}

impl Format {
    /// The ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
        }
    }
}

impl Picture {
    /// Reads the head of a picture. Says what is wrong when it is none that can stand in a letter.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let found = png_size(&bytes).map(|size| (Format::Png, size));
        let found = found.or_else(|| jpeg_size(&bytes).map(|size| (Format::Jpeg, size)));
        let found = found.or_else(|| gif_size(&bytes).map(|size| (Format::Gif, size)));
        let Some((format, (width, height))) = found else {
            return Err("the picture is no PNG, JPEG or GIF".into());
        };
        if width == 0 || height == 0 || width > 30_000 || height > 30_000 {
            return Err(format!("the picture has {width} x {height} points"));
        }
        Ok(Self { bytes, format, width, height })
    }

    /// Draws a QR code of a text, with the white border that readers need.
    pub fn qr(text: &str) -> Result<Self, String> {
        const BORDER: i32 = 4;
        const SCALE: usize = 6;
        let code = QrCode::encode_text(text, QrCodeEcc::Medium)
            .map_err(|_| format!("{} characters are too many for a QR code", text.chars().count()))?;
        let side = (code.size() + 2 * BORDER) as usize * SCALE;
        let mut rows = Vec::with_capacity(side * (side / 8 + 2));
        for y in 0..side {
            // Each row begins with its filter: none.
            rows.push(0);
            let mut byte = 0_u8;
            for x in 0..side {
                let dark = code.get_module((x / SCALE) as i32 - BORDER, (y / SCALE) as i32 - BORDER);
                byte = byte << 1 | u8::from(!dark);
                if x % 8 == 7 {
                    rows.push(byte);
                }
            }
            if !side.is_multiple_of(8) {
                rows.push(byte << (8 - side % 8));
            }
        }
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::new(6));
        let packed =
            packed.write_all(&rows).and_then(|()| packed.finish()).map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        head.extend_from_slice(&(side as u32).to_be_bytes());
        head.extend_from_slice(&(side as u32).to_be_bytes());
        // One bit a point, grey.
        head.extend_from_slice(&[1, 0, 0, 0, 0]);
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in [(b"IHDR", head.as_slice()), (b"IDAT", &packed), (b"IEND", &[])] {
            push_chunk(&mut bytes, kind, data);
        }
        Ok(Self { bytes, format: Format::Png, width: side as u32, height: side as u32 })
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Width and height in points of the picture.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The largest size of the picture's own shape that fits into a box.
    pub(crate) fn fit(&self, width: u64, height: u64) -> (u64, u64) {
        let (own_width, own_height) = (u64::from(self.width), u64::from(self.height));
        // A box of more than that is none; the product stays in 64 bits.
        let (width, height) = (width.min(1 << 40), height.min(1 << 40));
        if width * own_height <= height * own_width {
            (width, (width * own_height / own_width).max(1))
        } else {
            ((height * own_width / own_height).max(1), height)
        }
    }
}

fn push_chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let begin = out.len();
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    let crc = crc32fast::hash(&out[begin..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([found[0], found[1], found[2], found[3]]))
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.get(12..16) == Some(b"IHDR");
    is_png.then(|| Some((big(bytes, 16)?, big(bytes, 20)?)))?
}

fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let head = bytes.get(..10)?;
    let is_gif = head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a");
    is_gif.then(|| {
        (u32::from(u16::from_le_bytes([head[6], head[7]])), u32::from(u16::from_le_bytes([head[8], head[9]])))
    })
}

/// Walks the segments of a JPEG to the one that begins the frame.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    if !bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return None;
    }
    let mut at = 2;
    loop {
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let head = bytes.get(at..at + 9)?;
        if head[0] != 0xff {
            return None;
        }
        let is_frame = matches!(head[1], 0xc0..=0xcf) && !matches!(head[1], 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            let pair = |at: usize| u32::from(u16::from_be_bytes([head[at], head[at + 1]]));
            return Some((pair(7), pair(5)));
        }
        at += 2 + usize::from(u16::from_be_bytes([head[2], head[3]]));
    }
}
