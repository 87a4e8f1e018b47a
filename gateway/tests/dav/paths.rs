//! Paths and hrefs lead to places and back.

use kontor_gateway::dav::path::{Kind, Location, Lost, Place};

fn work() -> Location {
    Location::new(Kind::Calendar, "sales", "sales", "work")
}

#[test]
fn every_place_has_its_path() {
    for (path, place) in [
        ("/dav/", Place::Root),
        ("/dav/principals/", Place::Principals),
        ("/dav/principals/users/", Place::Users),
        ("/dav/principals/users/sales/", Place::Principal("sales".to_owned())),
        ("/dav/principals/teams/", Place::Teams),
        ("/dav/principals/teams/sales/", Place::Team("sales".to_owned())),
        ("/dav/calendars/", Place::Homes(Kind::Calendar)),
        ("/dav/addressbooks/", Place::Homes(Kind::Book)),
        ("/dav/addressbooks/sales/", Place::Home(Kind::Book, "sales".to_owned())),
        ("/dav/calendars/sales/work/", Place::Collection(work())),
        ("/dav/calendars/sales/work/a.ics", Place::Object(work(), "a.ics".to_owned())),
    ] {
        assert_eq!(Place::parse(path).unwrap(), place, "{path}");
        assert_eq!(place.href(), path);
    }
    assert_eq!(Place::parse("/").unwrap(), Place::Root);
}

#[test]
fn clients_write_the_same_path_in_many_ways() {
    let expected = Place::Object(work(), "a b&ü.ics".to_owned());
    for path in [
        "/dav/calendars/sales/work/a%20b%26%C3%BC.ics",
        "/dav/calendars/sales/work/a b&ü.ics",
        "//dav//calendars/sales/work/a%20b&ü.ics",
        "/dav/calendars/%73ales/work/a%20b%26%c3%bc.ics",
        "https://crm.example.com:8443/dav/calendars/sales/work/a%20b%26%C3%BC.ics",
    ] {
        assert_eq!(Place::of_href(path).unwrap(), expected, "{path}");
    }
    assert_eq!(expected.href(), "/dav/calendars/sales/work/a%20b%26%C3%BC.ics");
    assert_eq!(Place::parse("/dav/calendars/sales/work").unwrap(), Place::Collection(work()));
    // A percent sign that begins no code stands for itself.
    assert_eq!(
        Place::parse("/dav/calendars/sales/work/100%.ics").unwrap(),
        Place::Object(work(), "100%.ics".to_owned())
    );
}

#[test]
fn a_shared_collection_stands_in_the_home_of_whom_it_is_shared_with() {
    let shared = Location::new(Kind::Calendar, "sales", "manager", "team days");
    assert_eq!(shared.href(), "/dav/calendars/sales/manager~team%20days/");
    assert_eq!(Place::parse(&shared.href()).unwrap(), Place::Collection(shared.clone()));
    assert!(!shared.is_own());
    // A tilde that does not follow a login name belongs to the slug.
    let own = Place::parse("/dav/calendars/sales/Mine~2/").unwrap();
    assert_eq!(own, Place::Collection(Location::new(Kind::Calendar, "sales", "sales", "Mine~2")));
}

#[test]
fn the_companys_collection_stands_in_every_home_under_its_own_name() {
    let company = Location::new(Kind::Book, "sales", "company", "company");
    assert_eq!(company.href(), "/dav/addressbooks/sales/company/");
    assert_eq!(Place::parse(&company.href()).unwrap(), Place::Collection(company.clone()));
    assert_eq!(company.owner_href(), None);
    assert_eq!(work().owner_href().as_deref(), Some("/dav/principals/users/sales/"));
}

#[test]
fn what_no_path_may_hold_is_refused() {
    for (path, lost) in [
        ("/dav/calendars/sales/../admin/", Lost::Malformed),
        ("/dav/calendars/sales/%2E%2E/admin/", Lost::Malformed),
        ("/dav/calendars/sales/./", Lost::Malformed),
        ("/dav/calendars/sales/work/a%00.ics", Lost::Malformed),
        ("/dav/calendars/sales/work/a%0A.ics", Lost::Malformed),
        ("/dav/calendars/sales/work/%FF.ics", Lost::Malformed),
        ("/dav/calendars/sales/work%2Fa.ics", Lost::Nowhere),
        ("/dav/calendars/sales/work/a/b", Lost::Nowhere),
        ("/dav/nix/", Lost::Nowhere),
        ("/other/", Lost::Nowhere),
        ("/dav/principals/users/sales/x", Lost::Nowhere),
        ("/dav/principals/robots/", Lost::Nowhere),
    ] {
        assert_eq!(Place::parse(path), Err(lost), "{path}");
    }
    let long = format!("/dav/calendars/sales/work/{}", "a".repeat(256));
    assert_eq!(Place::parse(&long), Err(Lost::Nowhere));
}
