//! Filters of calendar-query and addressbook-query become the contract's types.

use kontor_gateway::dav::xml::Error;
use kontor_gateway::dav::xml::report::{self, Kind};
use kontor_proto::collection::v1::{CardFilter, Collation, ComponentFilter, MatchType};

fn calendar(filter: &str) -> Result<ComponentFilter, Error> {
    let body = format!(
        r#"<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:"><D:prop><D:getetag/></D:prop>
        {filter}</C:calendar-query>"#
    );
    match report::report(body.as_bytes())?.kind {
        Kind::CalendarQuery { filter, .. } => Ok(filter),
        other => panic!("{other:?}"),
    }
}

fn book(filter: &str) -> Result<CardFilter, Error> {
    let body = format!(
        r#"<C:addressbook-query xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns:D="DAV:"><D:prop><D:getetag/></D:prop>
        {filter}<C:limit><C:nresults>5</C:nresults></C:limit></C:addressbook-query>"#
    );
    match report::report(body.as_bytes())?.kind {
        Kind::BookQuery { filter, limit: 5 } => Ok(filter),
        other => panic!("{other:?}"),
    }
}

fn events(inner: &str) -> String {
    format!(
        r#"<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{inner}</C:comp-filter></C:comp-filter></C:filter>"#
    )
}

#[test]
fn a_time_range_is_utc_and_may_be_open() {
    let range = |attributes: &str| {
        let filter = calendar(&events(&format!("<C:time-range {attributes}/>")))?;
        let range = filter.components[0].time_range.unwrap();
        Ok::<_, Error>((range.start_time.map(|t| t.seconds), range.end_time.map(|t| t.seconds)))
    };
    assert_eq!(
        range(r#"start="20260105T000000Z" end="20260112T000000Z""#).unwrap(),
        (Some(1_767_571_200), Some(1_768_176_000))
    );
    assert_eq!(range(r#"start="20260105T000000Z""#).unwrap(), (Some(1_767_571_200), None));
    for bad in [
        "",
        r#"start="20260105T000000Z" end="20260105T000000Z""#,
        r#"start="20260105T000000""#,
        r#"start="20260105""#,
        r#"start="20261305T000000Z""#,
        r#"start="2026-01-05T00:00:00Z""#,
        r#"start="20260105T250000Z""#,
        r#"start="99999999999999999999T000000Z""#,
    ] {
        assert!(matches!(range(bad), Err(Error::Filter(_))), "{bad}");
    }
}

#[test]
fn a_calendar_filter_takes_every_condition() {
    let filter = calendar(&events(
        r#"<C:prop-filter name="attendee"><C:text-match collation="i;octet" negate-condition="yes">MAILTO:a@b</C:text-match>
        <C:param-filter name="PARTSTAT"><C:text-match>NEEDS-ACTION</C:text-match></C:param-filter></C:prop-filter>
        <C:comp-filter name="VALARM"><C:is-not-defined/></C:comp-filter>"#,
    ))
    .unwrap();
    let event = &filter.components[0];
    let property = &event.properties[0];
    assert_eq!(property.name, "ATTENDEE");
    assert!(property.all_of);
    assert_eq!(property.text_matches[0].collation(), Collation::Octet);
    assert!(property.text_matches[0].negate);
    assert_eq!(property.parameters[0].text_match.as_ref().unwrap().match_type(), MatchType::Contains);
    assert!(event.components[0].is_not_defined);
}

#[test]
fn a_calendar_filter_that_says_nothing_sensible_is_refused() {
    for bad in [
        "",
        "<C:filter/>",
        r#"<C:filter><C:comp-filter name="VEVENT"/></C:filter>"#,
        r#"<C:filter><C:comp-filter/></C:filter>"#,
        r#"<C:filter><C:comp-filter name="VCALENDAR"/><C:comp-filter name="VCALENDAR"/></C:filter>"#,
        r#"<C:filter><C:prop-filter name="UID"/></C:filter>"#,
        &events(r#"<C:is-not-defined/><C:comp-filter name="VALARM"/>"#),
        &events(r#"<C:nonsense/>"#),
        &events(
            r#"<C:prop-filter name="UID"><C:is-not-defined/><C:text-match>a</C:text-match></C:prop-filter>"#,
        ),
        &events(
            r#"<C:prop-filter name="UID"><C:text-match>a</C:text-match><C:text-match>b</C:text-match></C:prop-filter>"#,
        ),
    ] {
        assert!(matches!(calendar(bad), Err(Error::Filter(_))), "{bad}");
    }
    let collation = events(
        r#"<C:prop-filter name="UID"><C:text-match collation="i;klingon">a</C:text-match></C:prop-filter>"#,
    );
    assert_eq!(calendar(&collation).unwrap_err(), Error::Collation("i;klingon".to_owned()));
    let deep = r#"<C:comp-filter name="A">"#.repeat(6) + &"</C:comp-filter>".repeat(6);
    assert_eq!(calendar(&events(&deep)).unwrap_err(), Error::Limit("depth of comp-filter"));
    let many = r#"<C:prop-filter name="A"/>"#.repeat(1000);
    assert_eq!(calendar(&events(&many)).unwrap_err(), Error::Limit("conditions of a filter"));
}

#[test]
fn a_book_filter_chooses_between_any_and_all() {
    let filter = book(
        r#"<C:filter test="allof"><C:prop-filter name="EMAIL" test="allof">
        <C:text-match match-type="starts-with" collation="i;unicode-casemap">anna</C:text-match>
        <C:text-match match-type="ends-with">.be</C:text-match></C:prop-filter>
        <C:prop-filter name="item1.tel"><C:param-filter name="type"><C:is-not-defined/></C:param-filter></C:prop-filter></C:filter>"#,
    )
    .unwrap();
    assert!(filter.all_of && filter.properties[0].all_of && !filter.properties[1].all_of);
    assert_eq!(filter.properties[0].text_matches[0].match_type(), MatchType::StartsWith);
    assert_eq!(filter.properties[0].text_matches[1].match_type(), MatchType::EndsWith);
    assert_eq!(filter.properties[1].name, "ITEM1.TEL");
    assert!(filter.properties[1].parameters[0].is_not_defined);
    assert_eq!(book("").unwrap(), CardFilter::default(), "no filter means all cards");
    assert!(matches!(book(r#"<C:filter test="some"/>"#), Err(Error::Filter(_))));
}
