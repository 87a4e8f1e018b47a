//! Long rows are looked at in parts, one for each core.
//! Called by the scan for what costs much a row: regular expressions, lists within one another.

use std::ops::Range;

/// Fewer rows are not worth a thread.
const LEAST: usize = 100_000;
/// Threads, at most.
const THREADS: usize = 4;

/// What a job makes of each part, in order.
pub(super) fn in_parts<T: Send>(len: usize, job: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = cores.min(THREADS).min(len / LEAST).max(1);
    if parts == 1 {
        return vec![job(0..len)];
    }
    let part = |at: usize| len * at / parts..len * (at + 1) / parts;
    let job = &job;
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..parts).map(|at| scope.spawn(move || job(part(at)))).collect();
        let first = job(part(0));
        // a thread ends early only by a panic, which goes on here
        let others =
            others.into_iter().map(|it| it.join().unwrap_or_else(|it| std::panic::resume_unwind(it)));
        std::iter::once(first).chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_in_one_part_each() {
        for len in [0, 1, LEAST, 2 * LEAST + 1, 5 * LEAST + 7] {
            let parts = in_parts(len, |part| part);
            assert_eq!(parts.first().map(|part| part.start), Some(0));
            assert!(parts.windows(2).all(|two| two[0].end == two[1].start));
            assert_eq!(parts.last().map(|part| part.end), Some(len));
        }
    }
}
