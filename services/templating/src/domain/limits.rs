//! How much a template may ask for: sizes, depths and work. A bomb is an error in bounded time and memory (row L9).
//! Used by every reader and by the machine; the service may set other figures.

/// The caps. `Default` is meant for templates that people upload.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Size of the template in bytes.
    pub template_bytes: usize,
    /// Files in the package.
    pub entries: usize,
    /// Sum of the unpacked sizes in bytes.
    pub unpacked_bytes: u64,
    /// How many times larger than packed a file above 1 MiB may be.
    pub ratio: u64,
    /// Size of one XML part in bytes that is read.
    pub part_bytes: usize,
    /// Elements and texts in all XML parts that are read.
    pub nodes: usize,
    /// Elements inside of each other.
    pub depth: usize,
    /// Fields and control tags in a template.
    pub tags: usize,
    /// Steps of work for one letter: each operation and each loop step is one.
    pub steps: u64,
    /// Size of the XML of one letter in bytes, unpacked.
    pub output_bytes: usize,
    /// Size of pictures that one letter brings in, in bytes.
    pub picture_bytes: usize,
    /// Size of a text that an expression makes, in bytes.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            template_bytes: 32 << 20,
            entries: 2_000,
            unpacked_bytes: 160 << 20,
            ratio: 200,
            part_bytes: 12 << 20,
            nodes: 400_000,
            depth: 200,
            tags: 20_000,
            steps: 20_000_000,
            output_bytes: 256 << 20,
            picture_bytes: 32 << 20,
            text_bytes: 1 << 20,
        }
    }
}
