//! Headings, rows, and by what rows are known again.

use super::*;
use crate::domain::lead::Details;
use crate::domain::opportunity;

fn columns(headings: &[&str]) -> Columns {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    Columns::read(Kind::Leads, &headings, &BTreeMap::new(), false).unwrap()
}

fn read(headings: &[&str], fields: &[&str]) -> std::result::Result<Row<Details>, Fault> {
    let record = Record { line: 7, fields: fields.iter().map(|field| (*field).to_owned()).collect() };
    Row::read(&record, &columns(headings), &defaults())
}

fn defaults() -> Defaults {
    Defaults {
        source: "fair".to_owned(),
        assignee: "users/anna".to_owned(),
        team: "teams/sales".to_owned(),
        region: "BE".to_owned(),
        tags: vec!["spring".to_owned()],
        ..Defaults::default()
    }
}

/// A row of a file of opportunities.
fn read_deal(headings: &[&str], fields: &[&str]) -> std::result::Result<Row<Wanted>, Fault> {
    let record = Record { line: 7, fields: fields.iter().map(|field| (*field).to_owned()).collect() };
    Row::read(&record, &deal_columns(headings).unwrap(), &defaults())
}

fn deal_columns(headings: &[&str]) -> Result<Columns> {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    Columns::read(Kind::Opportunities, &headings, &BTreeMap::new(), false)
}

#[test]
fn headings_are_fields_as_people_write_them_or_are_mapped() {
    let found = columns(&[" Title ", "Contact-Name", "attributes.industry"]);
    let wanted = [Target::Title, Target::ContactName, Target::Attribute("industry".to_owned())];
    assert!(found.targets().eq(&wanted));
    let mapping = |from: &str, to: &str| BTreeMap::from([(from.to_owned(), to.to_owned())]);
    let headings = ["title".to_owned(), "E-Mail".to_owned()];
    let refused = |mapping: &BTreeMap<String, String>| {
        Columns::read(Kind::Leads, &headings, mapping, false).unwrap_err()
    };
    assert!(
        Columns::read(Kind::Leads, &headings, &mapping("E-Mail", "email"), false)
            .unwrap()
            .has(&Target::Email)
    );
    assert!(Columns::read(Kind::Leads, &headings, &BTreeMap::new(), true).unwrap().has(&Target::Ignored));
    assert!(
        refused(&BTreeMap::new()).message().starts_with("data: line 1, column 2, \"E-Mail\": it is no field")
    );
    assert!(refused(&mapping("E-Mail", "title")).message().contains("so is column 1"));
    assert!(refused(&mapping("E-Mail", "mail")).message().starts_with("settings.columns[E-Mail]"));
    assert!(refused(&mapping("Mail", "email")).message().starts_with("data: line 1, column 2"));
    let gone = BTreeMap::from([("E-Mail".to_owned(), "-".to_owned()), ("Fax".to_owned(), "-".to_owned())]);
    assert!(refused(&gone).message().starts_with("settings.columns[Fax]"));
    assert!(
        Columns::read(Kind::Leads, &headings[1..], &mapping("E-Mail", "-"), false)
            .unwrap_err()
            .message()
            .contains("no column")
    );
}

#[test]
fn a_row_takes_the_runs_settings_where_it_says_nothing() {
    let row =
        read(&["title", "source", "team", "tags", "assignee"], &["Roof", "", "support", "hot; spring", ""])
            .unwrap();
    assert_eq!((row.made.source.as_str(), row.made.team.as_str()), ("fair", "teams/support"));
    assert_eq!((row.made.assignee.as_str(), row.made.region.as_str()), ("users/anna", "BE"));
    assert_eq!(row.made.tags, ["hot", "spring"]);
    assert!(row.own_team && !row.own_assignee && !row.external);
}

#[test]
fn a_file_without_titles_names_leads_by_person_company_or_address() {
    let title =
        |fields: &[&str]| read(&["contact_name", "company_name", "email"], fields).map(|row| row.made.title);
    assert_eq!(title(&["Anna", "Acme", ""]).unwrap(), "Anna");
    assert_eq!(title(&["", "Acme", ""]).unwrap(), "Acme");
    assert_eq!(title(&["", "", "a@x.com"]).unwrap(), "a@x.com");
    assert_eq!(title(&["", "", ""]).unwrap_err().field, "title");
}

#[test]
fn a_fault_names_column_heading_and_reason() {
    let fault = read(
        &["title", "E mail"].map(|name| if name == "E mail" { "email" } else { name }),
        &["Roof", "nobody"],
    )
    .unwrap_err();
    let place = (fault.line, fault.column, fault.field.as_str(), fault.reason.as_str());
    assert_eq!(place, (7, 2, "email", "INVALID_FIELD"));
    assert_eq!(fault.message, "\"nobody\" is no e-mail address");
    let fault = read(&["title", "attributes.size"], &["Roof", &"x".repeat(201)]).unwrap_err();
    assert_eq!((fault.column, fault.field.as_str()), (2, "attributes.size"));
    let fault = read(&["title", "email"], &["Roof"]).unwrap_err();
    assert_eq!((fault.column, fault.reason.as_str()), (0, "COLUMNS"));
    let long = read(&["title", "email"], &["Roof", &"x".repeat(5_000)]).unwrap_err();
    assert!(long.message.chars().count() <= MESSAGE + 3);
}

#[test]
fn a_row_is_known_by_its_external_id_else_by_what_it_says() {
    let key = |headings: &[&str], fields: &[&str]| read(headings, fields).unwrap().key;
    let plain = key(&["title", "phone"], &["Roof", "1"]);
    assert_eq!(plain, key(&["phone", "title"], &[" 1 ", "Roof"]), "neither order nor blanks matter");
    assert_eq!(
        plain,
        key(&["title", "email", "phone"], &["Roof", "", "1"]),
        "nor a column that says nothing"
    );
    assert_ne!(plain, key(&["title", "phone"], &["Roof", "2"]));
    assert_ne!(key(&["title", "source"], &["ab", "c"]), key(&["title", "source"], &["a", "bc"]));
    let named = |title| read(&["external_id", "title"], &["7", title]).unwrap();
    assert_eq!(named("Roof").key, named("Garden").key);
    assert_ne!(named("Roof").digest, named("Garden").digest);
    assert_ne!(named("Roof").key, key(&["title"], &["Roof"]));
}

#[test]
fn a_changed_row_changes_the_columns_of_the_file_only() {
    let headings = ["title", "phone", "tags", "assignee", "attributes.size"];
    let row = read(&headings, &["Roof", "", "hot", "", ""]).unwrap();
    let old = Details {
        title: "Garden".to_owned(),
        phone: "1".to_owned(),
        email: "a@x.com".to_owned(),
        assignee: "users/ben".to_owned(),
        tags: vec!["mine".to_owned()],
        attributes: BTreeMap::from([
            ("size".to_owned(), "5".to_owned()),
            ("kind".to_owned(), "x".to_owned()),
        ]),
        ..Details::default()
    };
    let new = row.merged(&old, &columns(&headings));
    assert_eq!((new.title.as_str(), new.phone.as_str(), new.email.as_str()), ("Roof", "", "a@x.com"));
    assert_eq!(
        (new.assignee.as_str(), new.tags),
        ("users/ben", vec!["mine".into(), "hot".into(), "spring".into()])
    );
    assert_eq!(new.attributes, BTreeMap::from([("kind".to_owned(), "x".to_owned())]));
}

#[test]
fn a_file_of_opportunities_has_columns_of_its_own() {
    let refused = |headings: &[&str]| deal_columns(headings).unwrap_err().message().to_owned();
    assert!(refused(&["title", "email"]).contains("it is no field of an opportunity"));
    assert!(refused(&["amount"]).contains("no column is the title"));
    let leads =
        Columns::read(Kind::Leads, &["title".to_owned(), "amount".to_owned()], &BTreeMap::new(), false);
    assert!(leads.unwrap_err().message().contains("it is no field of a lead"));
}

#[test]
fn an_amount_is_exact_and_its_faults_name_the_column() {
    let headings = ["title", "Amount", "currency", "Recurring Amount", "recurring months"];
    let fault = |fields: [&str; 5]| {
        let fault = read_deal(&headings, &fields).unwrap_err();
        (fault.column, fault.field)
    };
    let row = read_deal(&headings, &["Roof", "0100.50", "eur", "1200", "12"]).unwrap();
    let money = row.made.details.amount.unwrap();
    assert_eq!((money.amount.as_str(), money.currency.as_str()), ("100.50", "EUR"));
    assert_eq!(row.made.details.recurring_months, 12);
    assert_eq!(fault(["Roof", "1.250,00", "EUR", "", ""]), (2, "Amount".to_owned()));
    assert_eq!(fault(["Roof", "100", "XXX", "", ""]), (3, "currency".to_owned()));
    assert_eq!(fault(["Roof", "100", "", "", ""]), (3, "currency".to_owned()), "none is guessed");
    assert_eq!(fault(["Roof", "", "EUR", "-5", "12"]), (4, "Recurring Amount".to_owned()));
    assert_eq!(fault(["Roof", "", "EUR", "5", "a year"]), (5, "recurring months".to_owned()));
    assert_eq!(fault(["Roof", "", "EUR", "5", ""]), (5, "recurring months".to_owned()));
}

#[test]
fn a_changed_row_of_an_opportunity_changes_the_columns_of_the_file_only() {
    let headings = ["title", "amount", "currency", "team", "attributes.size"];
    let row = read_deal(&headings, &["Roof", "", "EUR", "", "9"]).unwrap();
    let old = opportunity::Details {
        title: "Garden".to_owned(),
        amount: read_deal(&headings, &["x", "1", "EUR", "", ""]).unwrap().made.details.amount,
        probability: Some(70),
        team: "teams/support".to_owned(),
        ..opportunity::Details::default()
    };
    let new = row.merged(&old, &deal_columns(&headings).unwrap());
    assert_eq!((new.title.as_str(), new.amount, new.probability), ("Roof", None, Some(70)));
    assert_eq!((new.team.as_str(), new.attributes["size"].as_str()), ("teams/support", "9"));
}
