//! Pages: stable while rows come, and a token is good for its own list only.

use kontor_kit::args;
use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use tonic::Code;

use crate::support::Place;

kontor_testbed::on_both! { Place;
    pages_stay_the_same_while_rows_are_inserted,
    equal_values_are_told_apart_by_id,
    long_values_make_tokens_that_are_taken_back,
    a_token_is_good_for_its_own_list_only,
    sizes_are_bounded,
    a_part_is_found_whatever_the_case_of_its_letters,
}

static NOTES: Listing = Listing {
    table: "note",
    columns: "text",
    id: "id",
    by_key: true,
    fields: &[Field::both("number", "number", Kind::Int), Field::both("text", "text", Kind::Text)],
    default_order: "number",
    default_size: 10,
    max_size: 50,
};

async fn insert(db: &Db, id: &str, number: i64, text: &str) {
    let (id, text) = (id.to_owned(), text.to_owned());
    db.write(move |tx| {
        tx.execute("INSERT INTO note (id, number, text) VALUES ($1, $2, $3)", args![&id, number, &text])
            .map(|_| ())
    })
    .await
    .expect("written");
}

async fn page(db: &Db, query: &Query) -> kontor_kit::Result<Page<String>> {
    let query = query.clone();
    db.read(move |conn| {
        let scope = ("1 = 1".to_owned(), Vec::new());
        NOTES.run(conn, &Caller::system(), &query, scope, |row| row.string(1))
    })
    .await
}

/// All ids, page by page; `between` runs after each page.
async fn walk(db: &Db, mut query: Query, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = page(db, &query).await.expect("a page");
        all.extend(page.rows);
        if page.next_page_token.is_empty() {
            return all;
        }
        pages += 1;
        assert!(pages < 1_000, "the pages do not end");
        between(pages).await;
        query.page_token = page.next_page_token;
    }
}

async fn pages_stay_the_same_while_rows_are_inserted(place: Place) {
    let db = place.open().await;
    for number in 0..40 {
        insert(&db, &format!("old{number:02}"), number * 10, "").await;
    }
    for (order_by, descending) in [("number", false), ("number desc", true)] {
        let query = Query { page_size: 7, order_by: order_by.to_owned(), ..Default::default() };
        let run = if descending { "down" } else { "up" };
        let found = walk(&db, query, async |pages| {
            // One before and one behind the place where the list is.
            insert(&db, &format!("{run}-a{pages}"), 5, "").await;
            insert(&db, &format!("{run}-b{pages}"), 385, "").await;
        })
        .await;
        let mut old: Vec<_> = found.iter().filter(|id| id.starts_with("old")).cloned().collect();
        if descending {
            old.reverse();
        }
        let wanted: Vec<_> = (0..40).map(|number| format!("old{number:02}")).collect();
        assert_eq!(old, wanted, "no old row is lost or repeated, {order_by}");
        let mut once = found.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), found.len(), "nothing comes twice, {order_by}");
    }
}

async fn equal_values_are_told_apart_by_id(place: Place) {
    let db = place.open().await;
    for number in 0..25 {
        insert(&db, &format!("n{number:02}"), 1, "same").await;
    }
    for order_by in ["number", "text", "text desc"] {
        let query = Query { page_size: 4, order_by: order_by.to_owned(), ..Default::default() };
        assert_eq!(walk(&db, query, async |_| {}).await.len(), 25, "{order_by}");
    }
}

async fn long_values_make_tokens_that_are_taken_back(place: Place) {
    let db = place.open().await;
    for number in 0..4 {
        insert(&db, &format!("n{number}"), 1, &format!("{}{number}", "ä".repeat(5_000))).await;
    }
    let query = Query { page_size: 1, order_by: "text".to_owned(), ..Default::default() };
    assert_eq!(walk(&db, query, async |_| {}).await, ["n0", "n1", "n2", "n3"]);
}

async fn a_token_is_good_for_its_own_list_only(place: Place) {
    let db = place.open().await;
    for number in 0..5 {
        insert(&db, &format!("n{number}"), number, "").await;
    }
    let first = Query { page_size: 2, ..Default::default() };
    let token = page(&db, &first).await.expect("a page").next_page_token;
    let mut cut = token.clone();
    cut.pop();
    for query in [
        Query { page_token: token.clone(), order_by: "text".to_owned(), ..first.clone() },
        Query { page_token: token.clone(), filter: "number > 0".to_owned(), ..first.clone() },
        Query { page_token: "AAAA".to_owned(), ..first.clone() },
        Query { page_token: "no token!".to_owned(), ..first.clone() },
        Query { page_token: "A".repeat(1_000_000), ..first.clone() },
    ] {
        let cause = page(&db, &query).await.expect_err("refused");
        assert_eq!(cause.code(), Code::InvalidArgument);
        assert!(cause.message().starts_with("page_token"), "{cause}");
    }
    page(&db, &Query { page_token: token, page_size: 50, ..first }).await.expect("another size is fine");
}

async fn sizes_are_bounded(place: Place) {
    let db = place.open().await;
    for number in 0..60 {
        insert(&db, &format!("n{number}"), number, "").await;
    }
    let rows = async |size| {
        page(&db, &Query { page_size: size, ..Default::default() }).await.map(|page| page.rows.len())
    };
    assert_eq!(rows(0).await.expect("the default"), 10);
    assert_eq!(rows(i32::MAX).await.expect("the maximum"), 50);
    assert_eq!(rows(-1).await.expect_err("refused").code(), Code::InvalidArgument);
}

async fn a_part_is_found_whatever_the_case_of_its_letters(place: Place) {
    let db = place.open().await;
    insert(&db, "n1", 1, "ÄRZTEHAUS Łódź 100%").await;
    insert(&db, "n2", 2, "another").await;
    for (part, wanted) in [("ärzte", 1), ("ŁÓDŹ", 1), ("100%", 1), ("1%0", 0), ("_", 0), ("R", 2)] {
        let query = Query { filter: format!("text : \"{part}\""), ..Default::default() };
        assert_eq!(page(&db, &query).await.expect("a page").rows.len(), wanted, "{part}");
    }
}
