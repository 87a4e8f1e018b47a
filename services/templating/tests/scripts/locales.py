"""Writes src/domain/format/table.rs from CLDR, as Babel carries it.

Run in services/templating: python3 tests/scripts/locales.py   (pip install babel)
The table is what the engine formats by; formats.mjs writes what ICU answers, and a test compares the two.
"""
import pathlib

from babel import Locale, __version__

HERE = pathlib.Path(__file__).resolve().parent.parent.parent
LOCALES = ["en", "en_GB", "de", "de_AT", "de_CH", "fr", "fr_CH", "nl", "es", "it", "pl"]
# Babel does not hand out minimumGroupingDigits; these are CLDR's.
MIN_GROUPING = {"es": 2, "it": 2, "pl": 2}
# Nor do these come through Babel as CLDR has them: the group sign of numbers and that of money.
GROUPS = {"de_AT": ("\u00a0", "."), "fr_CH": ("\u202f", "\u202f")}
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "PLN", "JPY", "CNY", "CZK", "DKK", "NOK", "SEK", "HUF", "RON", "CAD", "AUD", "INR", "BRL", "MXN", "TRY", "UAH", "ZAR", "NZD", "KRW", "ILS", "THB", "VND"]


def text(value):
    out = '"'
    for char in value:
        out += f"\\u{{{ord(char):x}}}" if ord(char) in (0xA0, 0x202F, 0x27, 0x2019) else char.replace('"', '\\"')
    return out + '"'


def texts(values):
    return "[" + ", ".join(text(v) for v in values) + "]"


def table():
    lines = [
        "//! Facts of CLDR by locale, written by tests/scripts/locales.py (Babel " + __version__ + "). Not edited by hand.",
        "//! Read by `locale`.",
        "",
        "use super::locale::Facts;",
        "",
        "/// Every locale that the engine knows.",
        "#[rustfmt::skip]",
        f"pub(super) static TABLE: [Facts; {len(LOCALES)}] = [",
    ]
    for tag in LOCALES:
        locale = Locale.parse(tag)
        symbols = locale._data["number_symbols"]["latn"]
        group, money_group = GROUPS.get(tag, (symbols["group"], symbols.get("currencyGroup", symbols["group"])))
        months, days = locale.months, locale.days
        month = lambda width: [months["format"][width][n] for n in range(1, 13)]
        day = lambda width: [days["format"][width][n] for n in range(7)]
        date = {k: v.pattern for k, v in locale.date_formats.items()}
        time = {k: v.pattern for k, v in locale.time_formats.items()}
        periods = locale._data["day_periods"]["format"]["wide"]
        periods = periods if "am" in periods else {"am": "AM", "pm": "PM"}
        symbol = [(c, locale.currency_symbols.get(c, c)) for c in CURRENCIES]
        symbol = [(c, s) for c, s in symbol if s != c]
        lines += [
            "    Facts {",
            f"        tag: {text(tag.replace('_', '-'))},",
            f"        decimal: {text(symbols['decimal'])}, group: {text(group)}, money_decimal: {text(symbols.get('currencyDecimal', symbols['decimal']))}, money_group: {text(money_group)}, min_grouping: {MIN_GROUPING.get(tag, 1)},",
            f"        money: {text(locale.currency_formats['standard'].pattern)}, percent: {text(locale.percent_formats[None].pattern)},",
            f"        months: {texts(month('wide'))},",
            f"        months_short: {texts(month('abbreviated'))},",
            f"        months_alone: {texts([months['stand-alone']['wide'][n] for n in range(1, 13)])},",
            f"        days: {texts(day('wide'))},",
            f"        days_short: {texts(day('abbreviated'))},",
            f"        dates: {texts([date[k] for k in ('full', 'long', 'medium', 'short')])},",
            f"        times: {texts([time[k] for k in ('medium', 'short')])},",
            f"        joint: {text(str(locale.datetime_formats['short']))}, periods: {texts([periods['am'], periods['pm']])},",
            "        symbols: &[" + ", ".join(f"({text(c)}, {text(s)})" for c, s in symbol) + "],",
            "    },",
        ]
    lines.append("];")
    return "\n".join(lines) + "\n"


(HERE / "src/domain/format/table.rs").write_text(table())
