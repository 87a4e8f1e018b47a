//! Days and seconds as plain numbers, so that rules are walked by addition alone.
//! Used by the rule iterator, by zones and by `expand`; turned into `jiff` types at the doors.

use jiff::civil::{Date, DateTime};

/// Seconds of a day on the wall.
pub const DAY: i64 = 86_400;

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar. `month` is 1 to 12.
pub fn number(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day number.
pub fn civil(number: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let shifted = number + 719_468;
    let cycle = shifted.div_euclid(DAYS_IN_400_YEARS);
    let day_of_cycle = shifted.rem_euclid(DAYS_IN_400_YEARS);
    let leap_days = day_of_cycle / 1_460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
    let year_of_cycle = (day_of_cycle - leap_days) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (cycle * 400 + year_of_cycle + i64::from(month <= 2), month, day)
}

/// The weekday of a day number: 0 is Monday, 6 is Sunday.
pub fn weekday(number: i64) -> u8 {
    (number + 3).rem_euclid(7) as u8
}

/// Whether a year has 366 days.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, 28 to 31.
pub fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Seconds on the wall since 1970-01-01T00:00:00 on the same wall. Parts of a second are dropped.
pub fn seconds(at: DateTime) -> i64 {
    let day = number(at.year().into(), at.month().into(), at.day().into());
    day * DAY + i64::from(at.hour()) * 3600 + i64::from(at.minute()) * 60 + i64::from(at.second())
}

/// Seconds on the wall at midnight of a day.
pub fn midnight(day: Date) -> i64 {
    seconds(day.at(0, 0, 0, 0))
}

/// The wall time of such seconds, held inside the years -9999 to 9999.
pub fn date_time(seconds: i64) -> DateTime {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let time = seconds.rem_euclid(DAY);
    let fits = i16::try_from(year).ok().and_then(|year| {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        DateTime::new(year, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()
    });
    fits.unwrap_or(if seconds < 0 { DateTime::MIN } else { DateTime::MAX })
}
