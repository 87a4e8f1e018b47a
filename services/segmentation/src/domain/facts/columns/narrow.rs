//! Rows of integers, each row as narrow as its largest number allows: of a million partners most columns need a byte.
//! Called by the cells and the scan.

use super::bits::Bits;

/// What stands for an absent number.
pub(crate) const ABSENT: i64 = i64::MIN;

/// An integer of some width.
pub(crate) trait Cell: Copy {
    /// What stands for nothing known: the lowest of signed ones, 0 of others.
    const NONE: Self;

    /// The number, with `ABSENT` for nothing known.
    fn wide(self) -> i64;

    /// The same in this width, when it fits.
    fn narrow(wide: i64) -> Option<Self>;
}

macro_rules! signed {
    ($($kind:ty),*) => {$(
        impl Cell for $kind {
            const NONE: Self = <$kind>::MIN;

            #[inline]
            fn wide(self) -> i64 {
                if self == Self::NONE { ABSENT } else { i64::from(self) }
            }

            #[inline]
            fn narrow(wide: i64) -> Option<Self> {
                if wide == ABSENT { Some(Self::NONE) } else { Self::try_from(wide).ok().filter(|it| *it != Self::NONE) }
            }
        }
    )*};
}
macro_rules! unsigned {
    ($($kind:ty),*) => {$(
        impl Cell for $kind {
            const NONE: Self = 0;

            #[inline]
            fn wide(self) -> i64 {
                i64::from(self)
            }

            #[inline]
            fn narrow(wide: i64) -> Option<Self> {
                Self::try_from(wide).ok()
            }
        }
    )*};
}
signed!(i8, i16, i32, i64);
unsigned!(u8, u16, u32);

/// A row that becomes wider when a number needs it.
macro_rules! row {
    ($(#[$meta:meta])* $name:ident: $($width:ident($kind:ty) => $wider:ident),*; $widest:ident($widest_kind:ty)) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(crate) enum $name {
            $($width(Vec<$kind>),)*
            $widest(Vec<$widest_kind>),
        }

        impl $name {
            /// The number at a place.
            #[inline]
            pub fn get(&self, at: usize) -> i64 {
                match self {
                    $(Self::$width(cells) => cells[at].wide(),)*
                    Self::$widest(cells) => cells[at].wide(),
                }
            }

            /// Sets one; what is beyond the widest is clamped by the caller.
            pub fn set(&mut self, at: usize, number: i64) {
                loop {
                    match self {
                        $(Self::$width(cells) => match Cell::narrow(number) {
                            Some(cell) => {
                                cells[at] = cell;
                                return;
                            }
                            None => *self = Self::$wider(wider(cells)),
                        },)*
                        Self::$widest(cells) => {
                            cells[at] = Cell::narrow(number).unwrap_or(<$widest_kind>::NONE);
                            return;
                        }
                    }
                }
            }

            /// One bit for each cell.
            #[inline]
            pub fn bits(&self, mut tell: impl FnMut(i64) -> bool) -> Bits {
                match self {
                    $(Self::$width(cells) => Bits::of(cells, |cell| tell(cell.wide())),)*
                    Self::$widest(cells) => Bits::of(cells, |cell| tell(cell.wide())),
                }
            }

            /// Makes it longer, with what stands for nothing known.
            pub fn grow(&mut self, len: usize) {
                match self {
                    $(Self::$width(cells) => cells.resize(len, Cell::NONE),)*
                    Self::$widest(cells) => cells.resize(len, Cell::NONE),
                }
            }

            pub fn len(&self) -> usize {
                match self {
                    $(Self::$width(cells) => cells.len(),)*
                    Self::$widest(cells) => cells.len(),
                }
            }

            /// Keeps the cells at these places, in this order.
            pub fn keep(&mut self, places: &[u32]) {
                match self {
                    $(Self::$width(cells) => kept(cells, places),)*
                    Self::$widest(cells) => kept(cells, places),
                }
            }

            pub fn shrink(&mut self) {
                match self {
                    $(Self::$width(cells) => cells.shrink_to_fit(),)*
                    Self::$widest(cells) => cells.shrink_to_fit(),
                }
            }

            /// Bytes held.
            pub fn bytes(&self) -> usize {
                match self {
                    $(Self::$width(cells) => cells.capacity() * size_of::<$kind>(),)*
                    Self::$widest(cells) => cells.capacity() * size_of::<$widest_kind>(),
                }
            }
        }
    };
}

row! {
    /// Numbers, amounts and instants, or `ABSENT`.
    Numbers: One(i8) => Two, Two(i16) => Four, Four(i32) => Eight; Eight(i64)
}
row! {
    /// Numbers of texts, from 0.
    Codes: One(u8) => Two, Two(u16) => Four; Four(u32)
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers::One(Vec::new())
    }
}

impl Default for Codes {
    fn default() -> Codes {
        Codes::One(Vec::new())
    }
}

fn wider<T: Cell, W: Cell>(cells: &[T]) -> Vec<W> {
    // What is narrow fits into what is wide.
    let wide = cells.iter().map(|cell| W::narrow(cell.wide()).unwrap_or(W::NONE));
    let mut row = Vec::with_capacity(cells.len());
    row.extend(wide);
    row
}

fn kept<T: Copy>(cells: &mut Vec<T>, places: &[u32]) {
    *cells = places.iter().map(|place| cells[*place as usize]).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_as_wide_as_they_must() {
        let mut row = Numbers::default();
        row.grow(6);
        let all = [127, -127, -128, 40_000, i64::from(i32::MIN), -i64::MAX];
        for (at, number) in all.into_iter().enumerate() {
            assert_eq!(row.get(at), ABSENT);
            row.set(at, number);
            let kept: Vec<i64> = (0..=at).map(|at| row.get(at)).collect();
            assert_eq!(kept, all[..=at]);
        }
        assert!(matches!(row, Numbers::Eight(_)));
        row.set(0, ABSENT);
        assert_eq!((row.get(0), row.get(1)), (ABSENT, -127));
        row.keep(&[3, 0]);
        assert_eq!((row.len(), row.get(0), row.get(1)), (2, 40_000, ABSENT));
        assert_eq!(row.bits(|number| number == 40_000), Bits::fill(2, |at| at == 0));
    }

    #[test]
    fn codes_become_as_wide_as_they_must() {
        let mut row = Codes::default();
        row.grow(4);
        let all = [255, 256, 65_536, i64::from(u32::MAX)];
        for (at, code) in all.into_iter().enumerate() {
            row.set(at, code);
        }
        assert_eq!((0..4).map(|at| row.get(at)).collect::<Vec<_>>(), all);
        assert_eq!(row.bits(|code| code > 256), Bits::fill(4, |at| at > 1));
    }
}
