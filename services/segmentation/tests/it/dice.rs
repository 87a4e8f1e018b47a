//! Random rules that are well typed, and random partners whose facts lie close around what the rules ask.
//! Called by the property tests. A seed gives the same ones again.

use std::collections::{BTreeMap, BTreeSet};

use kontor_segmentation::domain::facts::{
    Call, Column, Decimal, Facts, Kind, List, Mail, Micros, Opportunity, Partner, Purchase, Visit,
};
use kontor_segmentation::domain::rule::{Comparison, Expr, Match, Node, Quantifier};

/// 2026-11-30.
pub const NOW: Micros = 1_795_996_800_000_000;
pub const DAY: i64 = 86_400_000_000;

const WORDS: [&str; 9] =
    ["", "BE", "FR", "Brüssel", "Acme & Söhne", "o'b\"\\", "web", "users/ann", "a@acme.be"];
const BITS: [&str; 6] = ["B", "e", "Brü", "acme", "@", "\\"];
const PATTERNS: [&str; 5] = ["^B", "(?i)ACME", "[éü]", "^$", "\\d|@"];
const QUESTIONS: [&str; 2] = ["questions/q1", "questions/q2"];
const CHOICES: [&str; 3] = ["a", "b", "c"];

/// A stream of random numbers (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    pub fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn word(&mut self) -> String {
        self.one(&WORDS).to_owned()
    }

    fn choice(&mut self, choices: &[&'static str]) -> String {
        let at = self.roll(choices.len() + 1);
        choices.get(at).copied().unwrap_or("").to_owned()
    }

    /// Days around now, at times one microsecond off.
    fn instant(&mut self) -> Micros {
        NOW + (self.roll(13) as i64 - 9) * DAY + self.roll(3) as i64 - 1
    }

    fn time(&mut self) -> Option<Micros> {
        (self.roll(4) > 0).then(|| self.instant())
    }

    fn int(&mut self) -> Option<i64> {
        (self.roll(4) > 0).then(|| self.roll(6) as i64)
    }

    fn decimal(&mut self) -> Option<Decimal> {
        (self.roll(4) > 0).then(|| Decimal((self.roll(5) as i64 - 1) * 5_000))
    }

    fn many<T>(&mut self, most: usize, one: impl Fn(&mut Dice) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| one(self)).collect()
    }

    fn texts(&mut self) -> BTreeSet<String> {
        self.many(3, Dice::word).into_iter().collect()
    }

    pub fn answers(&mut self) -> BTreeMap<String, BTreeSet<String>> {
        let one = |dice: &mut Dice| {
            let choices = dice.many(2, |dice| dice.one(&CHOICES).to_owned());
            (dice.one(&QUESTIONS).to_owned(), choices.into_iter().collect())
        };
        self.many(2, one).into_iter().collect()
    }

    pub fn partner(&mut self) -> Partner {
        Partner {
            kind: self.choice(&["PERSON", "COMPANY"]),
            display_name: self.word(),
            organization: self.word(),
            title: self.word(),
            company: self.word(),
            country: self.word(),
            region: self.word(),
            city: self.word(),
            postal_code: self.word(),
            language: self.word(),
            do_not_call: self.coin(),
            create_time: self.time(),
            rfm_recency: self.int(),
            rfm_frequency: self.int(),
            rfm_monetary: self.int(),
        }
    }

    pub fn call(&mut self) -> Call {
        Call {
            direction: self.choice(&["INBOUND", "OUTBOUND", "INTERNAL"]),
            result: self.choice(&["ANSWERED", "MISSED"]),
            taken_by: self.word(),
            talk_seconds: self.int(),
            start_time: self.time(),
        }
    }

    pub fn purchase(&mut self) -> Purchase {
        Purchase {
            kind: self.choice(&["SALE", "SALE", "REFUND"]),
            posted: self.roll(4) > 0,
            currency: self.one(&["EUR", "EUR", "USD"]).to_owned(),
            amount: self.decimal(),
            time: self.time(),
        }
    }

    fn opportunity(&mut self) -> Opportunity {
        Opportunity {
            state: self.choice(&["OPEN", "WON", "LOST"]),
            stage: self.word(),
            pipeline: self.word(),
            team: self.word(),
            assignee: self.word(),
            source: self.word(),
            lost_reason: self.word(),
            amount: self.decimal(),
            create_time: self.time(),
            close_time: self.time(),
        }
    }

    pub fn facts(&mut self) -> Facts {
        Facts {
            partner: self.partner(),
            tags: self.texts(),
            emails: self.texts(),
            phones: self.texts(),
            opportunities: self.many(3, Dice::opportunity),
            calls: self.many(3, Dice::call),
            purchases: self.many(3, Dice::purchase),
            mails: self.many(2, |dice| Mail { kind: dice.choice(&["SENT", "OPENED"]), time: dice.time() }),
            visits: self.many(2, |dice| Visit { page: dice.word(), time: dice.time() }),
            answers: self.answers(),
        }
    }
}

/// A variable and the list that it is an item of; none for texts.
type Scope = Vec<(String, Option<List>)>;

/// Makes trees.
pub struct Maker<'a> {
    pub dice: &'a mut Dice,
    /// Segments that a rule may name.
    pub segments: &'a [&'a str],
    pub scope: Scope,
}

impl Maker<'_> {
    pub fn test(&mut self, depth: usize) -> Expr {
        let node = match self.dice.roll(if depth == 0 { 8 } else { 14 }) {
            0 => Node::Bool(self.dice.coin()),
            1 => return self.flag(),
            2 => Node::Has(self.field(|column| column.kind != Kind::Bool).into()),
            3 | 4 => self.text_test(),
            5 => self.number_test(depth),
            6 => self.time_test(),
            7 if !self.segments.is_empty() => Node::InSegment(self.dice.one(self.segments).to_owned()),
            7 => self.member(),
            8 => Node::And(self.parts(depth)),
            9 => Node::Or(self.parts(depth)),
            10 => Node::Not(self.test(depth - 1).into()),
            _ if self.scope.len() == 3 => self.member(),
            _ => self.quantify(depth),
        };
        node.into()
    }

    fn parts(&mut self, depth: usize) -> Vec<Expr> {
        (0..2 + self.dice.roll(2)).map(|_| self.test(depth - 1)).collect()
    }

    /// A field of the partner or of a bound record.
    fn field(&mut self, fits: impl Fn(&Column) -> bool) -> Expr {
        let mut all: Vec<Node> = Vec::new();
        for column in Partner::COLUMNS.iter().filter(|column| fits(column)) {
            all.push(match column.name.strip_prefix("rfm_") {
                Some(field) => Node::Select { of: "rfm".into(), field: field.into() },
                None => Node::Name(column.name.into()),
            });
        }
        for (variable, list) in &self.scope {
            // more often what is bound than what is not
            for column in list.iter().flat_map(|list| list.columns()).filter(|column| fits(column)) {
                let select = Node::Select { of: variable.clone(), field: column.name.into() };
                all.extend(vec![select; 4]);
            }
        }
        let at = self.dice.roll(all.len());
        all.swap_remove(at).into()
    }

    fn flag(&mut self) -> Expr {
        let flag = self.field(|column| column.kind == Kind::Bool);
        match self.dice.roll(3) {
            0 => flag,
            side => {
                let (left, right) = (flag, Expr::from(Node::Bool(self.dice.coin())));
                let how = if self.dice.coin() { Comparison::Equal } else { Comparison::NotEqual };
                let (left, right) = if side == 1 { (left, right) } else { (right, left) };
                Node::Compare { how, left: left.into(), right: right.into() }.into()
            }
        }
    }

    fn text(&mut self) -> Expr {
        let items: Vec<String> =
            self.scope.iter().filter(|(_, list)| list.is_none()).map(|(name, _)| name.clone()).collect();
        if !items.is_empty() && self.dice.coin() {
            let at = self.dice.roll(items.len());
            return Node::Name(items[at].clone()).into();
        }
        self.field(|column| column.kind == Kind::Text && column.choices.is_empty())
    }

    fn text_test(&mut self) -> Node {
        if self.dice.roll(4) == 0 {
            let list = self.scope.last().and_then(|(name, list)| Some((name.clone(), (*list)?)));
            let (of, columns) = match list {
                Some((name, list)) => (Some(name), list.columns()),
                None => (None, Partner::COLUMNS),
            };
            if let Some(column) = columns.iter().find(|column| !column.choices.is_empty()) {
                let word = self.dice.choice(column.choices);
                let left = match of {
                    Some(of) => Node::Select { of, field: column.name.into() },
                    None => Node::Name(column.name.into()),
                };
                return self.equal(left.into(), Node::Text(word).into());
            }
        }
        let text = self.text();
        match self.dice.roll(4) {
            0 => {
                let word = Node::Text(self.dice.word());
                self.equal(text, word.into())
            }
            1 => {
                let words = self.dice.many(3, |dice| Node::Text(dice.word()).into());
                Node::In { item: text.into(), of: Box::new(Node::List(words).into()) }
            }
            2 => {
                let with = self.dice.one(&PATTERNS).to_owned();
                Node::Match { text: text.into(), how: Match::Matches, with }
            }
            _ => {
                let how = [Match::StartsWith, Match::EndsWith, Match::Contains][self.dice.roll(3)];
                Node::Match { text: text.into(), how, with: self.dice.one(&BITS).to_owned() }
            }
        }
    }

    fn equal(&mut self, left: Expr, right: Expr) -> Node {
        let how = if self.dice.coin() { Comparison::Equal } else { Comparison::NotEqual };
        let (left, right) = if self.dice.coin() { (left, right) } else { (right, left) };
        Node::Compare { how, left: left.into(), right: right.into() }
    }

    fn how(&mut self) -> Comparison {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual][self.dice.roll(6)]
    }

    fn number_test(&mut self, depth: usize) -> Node {
        let decimal = self.dice.coin();
        let (left, literal) = if decimal {
            let literal = match self.dice.roll(3) {
                0 => Node::Int(self.dice.roll(3) as i64 - 1),
                _ => Node::Decimal(Decimal((self.dice.roll(7) as i64 - 2) * 2_500)),
            };
            (self.decimal(), literal)
        } else {
            let left = match depth {
                0 => self.field(|column| column.kind == Kind::Int),
                _ if self.dice.coin() => Node::Size(self.list(depth).0.into()).into(),
                _ => self.field(|column| column.kind == Kind::Int),
            };
            (left, Node::Int(self.dice.roll(5) as i64))
        };
        match self.dice.roll(5) {
            0 => {
                let more = if decimal { Node::Decimal(Decimal(5_000)) } else { Node::Int(2) };
                let of = Node::List(vec![literal.into(), more.into()]);
                Node::In { item: left.into(), of: Box::new(of.into()) }
            }
            1 => {
                let right =
                    if decimal { self.decimal() } else { self.field(|column| column.kind == Kind::Int) };
                Node::Compare { how: self.how(), left: left.into(), right: right.into() }
            }
            2 => Node::Compare { how: self.how(), left: Box::new(literal.into()), right: left.into() },
            _ => Node::Compare { how: self.how(), left: left.into(), right: Box::new(literal.into()) },
        }
    }

    fn decimal(&mut self) -> Expr {
        if self.scope.iter().any(|(_, list)| matches!(list, Some(List::Opportunities | List::Purchases))) {
            return self.field(|column| column.kind == Kind::Decimal);
        }
        let window = self.dice.coin().then(|| self.dice.roll(6) as i64 * DAY);
        Node::Total { currency: "EUR".into(), window }.into()
    }

    fn time_test(&mut self) -> Node {
        let (left, right) = (self.time(), self.time());
        Node::Compare { how: self.how(), left: left.into(), right: right.into() }
    }

    fn time(&mut self) -> Expr {
        let mut time: Expr = match self.dice.roll(7) {
            0 => Node::Timestamp(self.dice.instant()).into(),
            1..=3 => Node::Now.into(),
            _ => self.field(|column| column.kind == Kind::Time),
        };
        for _ in 0..self.dice.roll(3) {
            let by = self.dice.roll(5) as i64 * DAY;
            time = Node::Shift { time: time.into(), back: self.dice.coin(), by }.into();
        }
        time
    }

    fn member(&mut self) -> Node {
        let (of, item) = match self.dice.coin() {
            true => (Node::Answers(self.dice.one(&QUESTIONS).into()), self.dice.one(&CHOICES).to_owned()),
            false => (Node::Name(self.dice.one(&["tags", "emails"]).into()), self.dice.word()),
        };
        Node::In { item: Box::new(Node::Text(item).into()), of: Box::new(of.into()) }
    }

    /// A list and what it is of.
    fn list(&mut self, depth: usize) -> (Expr, Option<List>) {
        let (mut expr, of): (Expr, Option<List>) = match self.dice.roll(8) {
            0 => (Node::Answers(self.dice.one(&QUESTIONS).into()).into(), None),
            1 => (Node::Name(self.dice.one(&["tags", "emails", "phones"]).into()).into(), None),
            at => {
                let list = List::ALL[at % List::ALL.len()];
                (Node::Name(list.name().into()).into(), Some(list))
            }
        };
        if self.dice.coin() && self.scope.len() < 3 {
            let (variable, test) = self.bound(of, depth);
            expr = Node::Filter { over: expr.into(), variable, test: test.into() }.into();
        }
        (expr, of)
    }

    fn bound(&mut self, of: Option<List>, depth: usize) -> (String, Expr) {
        let variable = format!("x{}", self.scope.len());
        self.scope.push((variable.clone(), of));
        let test = self.test(depth.saturating_sub(1));
        self.scope.pop();
        (variable, test)
    }

    fn quantify(&mut self, depth: usize) -> Node {
        let (over, of) = self.list(depth);
        let (variable, test) = self.bound(of, depth);
        let how = if self.dice.coin() { Quantifier::Exists } else { Quantifier::All };
        Node::Quantify { how, over: over.into(), variable, test: test.into() }
    }
}
