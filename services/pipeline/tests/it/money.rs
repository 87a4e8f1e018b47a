//! Amounts in several currencies and revenue that comes again: what an opportunity shows, which rate it keeps, and the sums.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::{Error, args};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::rates::{DAY, set, until_rate};
use crate::world::{World, anna, ben, carl, deal, lead, manager, mask};

kontor_testbed::on_both! { World;
    p9_two_currencies_weigh_ninety_five_euros,
    p9_the_rate_is_kept_and_closing_freezes_it,
    p9_what_has_no_rate_stands_apart_until_there_is_one,
    p9_everyone_sums_what_they_may_see,
    p9_wrong_scales_and_unknown_currencies_are_refused_by_field,
    p9_rows_from_before_are_read_and_a_damaged_one_is_no_sum,
    p10_twelve_hundred_in_twelve_months_is_a_hundred_a_month,
    p10_months_and_amount_go_together,
}

pub fn money(currency: &str, amount: &str) -> Option<Money> {
    Some(Money { currency_code: currency.to_owned(), amount: amount.to_owned() })
}

fn offer(currency: &str, amount: &str, probability: i32) -> proto::Opportunity {
    let probability = Some(probability);
    proto::Opportunity {
        amount: money(currency, amount),
        probability,
        ..deal(&format!("{amount} {currency}"))
    }
}

async fn summary(world: &World, caller: &Caller, filter: &str) -> proto::SummarizeOpportunitiesResponse {
    let request = proto::SummarizeOpportunitiesRequest { filter: filter.to_owned(), rotting: false };
    world.deals.clone().summarize_opportunities(caller.request(request)).await.unwrap().into_inner()
}

/// "count total weighted monthly weighted_monthly currency", each amount in that currency.
fn line(sums: &proto::OpportunitySums) -> String {
    let amounts = [&sums.total, &sums.weighted, &sums.monthly_recurring, &sums.weighted_monthly_recurring];
    let amounts = amounts.map(|money| {
        let money = money.clone().unwrap();
        assert_eq!(money.currency_code, sums.currency_code);
        money.amount
    });
    format!("{} {} {}", sums.count, amounts.join(" "), sums.currency_code)
}

fn lines(sums: &[proto::OpportunitySums]) -> Vec<String> {
    sums.iter().map(line).collect()
}

async fn update(
    world: &World,
    new: proto::Opportunity,
    paths: &[&str],
) -> Result<proto::Opportunity, Status> {
    let request = proto::UpdateOpportunityRequest {
        opportunity: Some(new),
        update_mask: mask(paths),
        ..Default::default()
    };
    Ok(world.deals.clone().update_opportunity(admin().request(request)).await?.into_inner())
}

async fn win(world: &World, name: &str) -> proto::Opportunity {
    let request = proto::WinOpportunityRequest { name: name.to_owned(), ..Default::default() };
    world.deals.clone().win_opportunity(admin().request(request)).await.unwrap().into_inner()
}

fn kept(deal: &proto::Opportunity) -> (&str, &str) {
    (&deal.exchange_rate, &deal.exchange_rate_date)
}

async fn p9_two_currencies_weigh_ninety_five_euros(world: World) {
    set(&world, &manager(), &[("USD", "2026-11-01", "0.90")]).await.unwrap();
    let euros = world.add_deal(&anna(), offer("EUR", "100", 50)).await;
    let dollars = world.add_deal(&anna(), offer("USD", "100", 50)).await;
    assert_eq!(euros.weighted_amount, money("EUR", "50.00"));
    assert_eq!(kept(&euros), ("", ""));
    assert_eq!(dollars.weighted_amount, money("USD", "50.00"));
    assert_eq!(kept(&dollars), ("0.90", "2026-11-01"));
    assert_eq!(world.deal(&dollars.name).await, dollars);

    let found = summary(&world, &anna(), "").await;
    assert_eq!(found.count, 2);
    assert_eq!(line(found.company.as_ref().unwrap()), "2 190.00 95.00 0.00 0.00 EUR");
    assert_eq!(lines(&found.currencies), ["1 100.00 50.00 0.00 0.00 EUR", "1 100.00 50.00 0.00 0.00 USD"]);
    assert!(found.without_rate.is_empty());
    // A dry run says the same, and nothing is there after it.
    let dry = proto::CreateOpportunityRequest {
        opportunity: Some(offer("USD", "3", 50)),
        validate_only: true,
        ..Default::default()
    };
    let dry = world.deals.clone().create_opportunity(anna().request(dry)).await.unwrap().into_inner();
    assert_eq!(kept(&dry), ("0.90", "2026-11-01"));
    assert_eq!(summary(&world, &anna(), "").await, found);
    // A won one weighs all of it, a lost one nothing.
    assert_eq!(win(&world, &dollars.name).await.weighted_amount, money("USD", "100.00"));
    let lose =
        proto::LoseOpportunityRequest { name: euros.name, reason: "price".to_owned(), ..Default::default() };
    let lost = world.deals.clone().lose_opportunity(anna().request(lose)).await.unwrap().into_inner();
    assert_eq!(lost.weighted_amount, money("EUR", "0.00"));
    let found = summary(&world, &anna(), "").await.company.unwrap();
    assert_eq!(line(&found), "2 190.00 90.00 0.00 0.00 EUR");
    let found = summary(&world, &anna(), "state = WON").await.company.unwrap();
    assert_eq!(line(&found), "1 90.00 90.00 0.00 0.00 EUR");
}

async fn p9_the_rate_is_kept_and_closing_freezes_it(world: World) {
    set(&world, &manager(), &[("USD", "2026-11-01", "0.90"), ("USD", "2026-11-25", "0.80")]).await.unwrap();
    let first = world.add_deal(&anna(), offer("USD", "100", 50)).await;
    let won = world.add_deal(&anna(), offer("USD", "10", 50)).await;
    assert_eq!(kept(&win(&world, &won.name).await), ("0.90", "2026-11-01"));
    world.pass(3 * DAY);
    // Another field does not bring another rate; another amount does.
    let renamed =
        update(&world, proto::Opportunity { title: "Roof".to_owned(), ..first.clone() }, &["title"]).await;
    assert_eq!(kept(&renamed.unwrap()), ("0.90", "2026-11-01"));
    let raised = proto::Opportunity { amount: money("USD", "200"), etag: String::new(), ..first.clone() };
    assert_eq!(kept(&update(&world, raised, &["amount"]).await.unwrap()), ("0.80", "2026-11-25"));
    // A closed one keeps its rate, also when its amount is put right; another currency has the rate of the day when it closed.
    let fixed =
        proto::Opportunity { amount: money("USD", "11"), name: won.name.clone(), ..Default::default() };
    assert_eq!(kept(&update(&world, fixed, &["amount"]).await.unwrap()), ("0.90", "2026-11-01"));
    set(&world, &manager(), &[("GBP", "2026-11-20", "1.20"), ("GBP", "2026-11-26", "1.10")]).await.unwrap();
    let pounds =
        proto::Opportunity { amount: money("GBP", "11"), name: won.name.clone(), ..Default::default() };
    assert_eq!(kept(&update(&world, pounds, &["amount"]).await.unwrap()), ("1.20", "2026-11-20"));
    // A correction reaches the open one and not the closed one.
    set(&world, &manager(), &[("USD", "2026-11-25", "0.81"), ("GBP", "2026-11-20", "1.21")]).await.unwrap();
    let corrected = until_rate(&world, &first.name, "0.81").await;
    assert_eq!(corrected.exchange_rate_date, "2026-11-25");
    assert_eq!(kept(&world.deal(&won.name).await), ("1.20", "2026-11-20"));
    assert_eq!(world.kinds(&first.name).await.last().unwrap(), "OpportunityUpdated");
    // In the company's own currency there is nothing to keep.
    let euros = proto::Opportunity { amount: money("EUR", "11"), name: first.name, ..Default::default() };
    assert_eq!(kept(&update(&world, euros, &["amount"]).await.unwrap()), ("", ""));
}

async fn p9_what_has_no_rate_stands_apart_until_there_is_one(world: World) {
    let open = world.add_deal(&anna(), offer("USD", "100", 50)).await;
    let closed = world.add_deal(&anna(), offer("USD", "7", 50)).await;
    win(&world, &closed.name).await;
    world.add_deal(&anna(), offer("EUR", "1", 50)).await;
    world.add_deal(&anna(), deal("without an amount")).await;
    let found = summary(&world, &anna(), "").await;
    assert_eq!((found.count, found.without_amount_count), (4, 1));
    assert_eq!(line(&found.company.unwrap()), "1 1.00 0.50 0.00 0.00 EUR");
    assert_eq!(lines(&found.without_rate), ["2 107.00 57.00 0.00 0.00 USD"]);
    // One that is valid later does not help yet. Nobody waits for this one, so it is there when the other one is.
    set(&world, &manager(), &[("USD", "2026-12-01", "0.5"), ("JPY", "2026-11-01", "0.006")]).await.unwrap();
    let yen = world.add_deal(&anna(), offer("JPY", "1000", 100)).await;
    assert_eq!(kept(&yen), ("0.006", "2026-11-01"));
    assert_eq!(kept(&world.deal(&open.name).await), ("", ""));
    set(&world, &manager(), &[("USD", "2026-11-22", "0.9")]).await.unwrap();
    let served = until_rate(&world, &open.name, "0.9").await;
    assert_eq!(served.exchange_rate_date, "2026-11-22");
    assert_ne!(served.etag, open.etag);
    let found = summary(&world, &anna(), "").await;
    assert_eq!(line(&found.company.unwrap()), "3 97.00 51.50 0.00 0.00 EUR");
    assert_eq!(lines(&found.without_rate), ["1 7.00 7.00 0.00 0.00 USD"]);
    // Opened again, the closed one is worked on, and takes the rate of the day.
    let reopen = proto::ReopenOpportunityRequest { name: closed.name, ..Default::default() };
    let reopened = world.deals.clone().reopen_opportunity(anna().request(reopen)).await.unwrap().into_inner();
    assert_eq!(kept(&reopened), ("0.9", "2026-11-22"));
    assert!(summary(&world, &anna(), "").await.without_rate.is_empty());
}

async fn p9_everyone_sums_what_they_may_see(world: World) {
    let own = |caller: &Caller, amount: &str| proto::Opportunity {
        assignee: caller.name(),
        ..offer("EUR", amount, 50)
    };
    world.add_deal(&anna(), own(&anna(), "1000")).await;
    world.add_deal(&carl(), own(&carl(), "1")).await;
    for (who, expected) in [
        (anna(), "1 1000.00 500.00 0.00 0.00 EUR"),
        (ben(), "1 1000.00 500.00 0.00 0.00 EUR"),
        (manager(), "1 1000.00 500.00 0.00 0.00 EUR"),
        (carl(), "1 1.00 0.50 0.00 0.00 EUR"),
        (admin(), "2 1001.00 500.50 0.00 0.00 EUR"),
        (kontor_testbed::user("stranger"), "0 0.00 0.00 0.00 0.00 EUR"),
    ] {
        let found = summary(&world, &who, "").await;
        assert_eq!(line(found.company.as_ref().unwrap()), expected, "{}", who.user);
        assert_eq!(found.count, found.company.unwrap().count);
    }
    assert_eq!(summary(&world, &ben(), "assignee = me").await.count, 0);
    let mut deals = world.deals.clone();
    let wrong =
        proto::SummarizeOpportunitiesRequest { filter: "color = red".to_owned(), ..Default::default() };
    let refused = deals.summarize_opportunities(anna().request(wrong)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("filter"), "{}", refused.message());
    let nobody = deals.summarize_opportunities(proto::SummarizeOpportunitiesRequest::default()).await;
    assert_eq!(failure(nobody).0, Code::Unauthenticated);
    let rotting = proto::SummarizeOpportunitiesRequest { rotting: true, ..Default::default() };
    let rotting = deals.summarize_opportunities(admin().request(rotting)).await.unwrap().into_inner();
    assert_eq!(rotting.count, 0);
}

async fn p9_wrong_scales_and_unknown_currencies_are_refused_by_field(world: World) {
    let made = world.add_deal(&anna(), offer("EUR", "1250.0000", 50)).await;
    assert_eq!(made.amount, money("EUR", "1250.00"));
    for (currency, amount, field, hint) in [
        ("EUR", "12.345", "amount", "EUR has 2"),
        ("JPY", "10.5", "amount", "JPY has none"),
        ("KWD", "1.1234", "amount", "KWD has 3"),
        ("EUX", "1", "currency_code", "EUR"),
        ("eur", "1", "currency_code", "EUR"),
        ("XXX", "1", "currency_code", "ISO 4217"),
        ("HRK", "1", "currency_code", "ISO 4217"),
        ("", "1", "currency_code", "ISO 4217"),
        ("EUR", "", "amount", "1250.00"),
        ("EUR", "1,5", "amount", "1250.00"),
        ("EUR", "-1", "amount", "1250.00"),
    ] {
        let create = proto::CreateOpportunityRequest {
            opportunity: Some(offer(currency, amount, 50)),
            ..Default::default()
        };
        let created = world.deals.clone().create_opportunity(anna().request(create)).await.map(|_| ());
        let wrong = proto::Opportunity { name: made.name.clone(), ..offer(currency, amount, 50) };
        let updated = update(&world, wrong, &["amount"]).await.map(|_| ());
        let wrong = proto::Opportunity {
            name: made.name.clone(),
            recurring_amount: money(currency, amount),
            recurring_months: 1,
            ..Default::default()
        };
        let recurring = update(&world, wrong, &["recurring_amount", "recurring_months"]).await.map(|_| ());
        for (outcome, of) in [
            (created, "opportunity.amount"),
            (updated, "opportunity.amount"),
            (recurring, "opportunity.recurring_amount"),
        ] {
            let refused = outcome.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().starts_with(&format!("{of}.{field}")), "{}", refused.message());
            assert!(refused.message().contains(hint), "{}", refused.message());
        }
    }
    let lead = world.add_lead(&anna(), proto::Lead { email: "a@x.com".to_owned(), ..lead("Roof") }).await;
    let convert = |currency: &str, amount: &str| {
        let amount = money(currency, amount);
        anna().request(proto::ConvertLeadRequest { name: lead.name.clone(), amount, ..Default::default() })
    };
    let refused = world.leads.clone().convert_lead(convert("JPY", "10.5")).await.unwrap_err();
    assert!(refused.message().starts_with("amount.amount"), "{}", refused.message());
    set(&world, &admin(), &[("JPY", "2026-11-01", "0.006")]).await.unwrap();
    let converted = world.leads.clone().convert_lead(convert("JPY", "10")).await.unwrap().into_inner();
    assert_eq!(kept(&converted.opportunity.unwrap()), ("0.006", "2026-11-01"));
    assert_eq!(world.deal(&made.name).await, made);
}

/// The database of the pipeline itself, for what no call would write.
async fn write(db: &Db, name: &str, currency: &str, amount: &str) {
    let id = name.strip_prefix("opportunities/").unwrap().to_owned();
    let (currency, amount) = (currency.to_owned(), amount.to_owned());
    let sql = "UPDATE opportunity SET currency = $2, amount = $3 WHERE id = $1";
    db.write(move |tx| tx.execute(sql, args![&id, &currency, &amount])).await.unwrap();
}

async fn p9_rows_from_before_are_read_and_a_damaged_one_is_no_sum(world: World) {
    let old = world.add_deal(&anna(), offer("EUR", "1", 50)).await;
    world.add_deal(&anna(), offer("EUR", "2", 50)).await;
    let context = &world.place.context;
    let db = Db::open(&context.storage, "pipeline", kontor_pipeline::MIGRATIONS, context.clock.clone());
    let db = db.await.unwrap();
    write(&db, &old.name, "QQQ", "12.3456").await;
    let read = world.deal(&old.name).await;
    assert_eq!((read.amount, read.weighted_amount), (money("QQQ", "12.3456"), money("QQQ", "6.1728")));
    let renamed =
        proto::Opportunity { title: "Roof".to_owned(), name: old.name.clone(), ..Default::default() };
    assert_eq!(update(&world, renamed, &["title"]).await.unwrap().title, "Roof");
    let found = summary(&world, &anna(), "").await;
    assert_eq!(lines(&found.without_rate), ["1 12.3456 6.1728 0.0000 0.0000 QQQ"]);
    assert_eq!(line(&found.company.unwrap()), "1 2.00 1.00 0.00 0.00 EUR");
    // A sum without one of its rows would be a lie. What is broken off leaves the connection in order.
    write(&db, &old.name, "EUR", "many").await;
    for _ in 0..5 {
        let request = proto::SummarizeOpportunitiesRequest::default();
        let refused = world.deals.clone().summarize_opportunities(anna().request(request)).await;
        assert_eq!(failure(refused).0, Error::internal("").code());
        assert_eq!(world.deal(&old.name).await.weighted_amount, None);
    }
    write(&db, &old.name, "EUR", "3").await;
    assert_eq!(line(&summary(&world, &anna(), "").await.company.unwrap()), "2 5.00 2.50 0.00 0.00 EUR");
}

fn recurring(currency: &str, amount: &str, months: i32, probability: i32) -> proto::Opportunity {
    proto::Opportunity {
        recurring_amount: money(currency, amount),
        recurring_months: months,
        probability: Some(probability),
        ..deal("Maintenance")
    }
}

async fn p10_twelve_hundred_in_twelve_months_is_a_hundred_a_month(world: World) {
    let made = world.add_deal(&anna(), recurring("EUR", "1200", 12, 40)).await;
    assert_eq!(made.monthly_recurring_amount, money("EUR", "100.00"));
    assert_eq!(made.weighted_monthly_recurring_amount, money("EUR", "40.00"));
    assert_eq!((made.recurring_amount.clone(), made.recurring_months), (money("EUR", "1200"), 12));
    assert_eq!((made.amount.clone(), made.weighted_amount.clone()), (None, None));
    assert_eq!(world.deal(&made.name).await, made);
    // Half to even, to the digits of the currency.
    for (currency, amount, months, monthly, weighted) in [
        ("EUR", "100", 12, "8.33", "3.33"),
        ("EUR", "0.25", 10, "0.02", "0.01"),
        ("JPY", "1000", 16, "62", "25"),
        ("KWD", "1", 120, "0.008", "0.003"),
    ] {
        let made = world.add_deal(&anna(), recurring(currency, amount, months, 40)).await;
        assert_eq!(made.monthly_recurring_amount, money(currency, monthly));
        assert_eq!(made.weighted_monthly_recurring_amount, money(currency, weighted));
    }
    set(&world, &manager(), &[("USD", "2026-11-01", "0.90")]).await.unwrap();
    let dollars = proto::Opportunity { amount: money("USD", "50"), ..recurring("USD", "1200", 12, 40) };
    let dollars =
        world.add_deal(&ben(), proto::Opportunity { title: "in dollars".to_owned(), ..dollars }).await;
    assert_eq!(kept(&dollars), ("0.90", "2026-11-01"));
    let found = summary(&world, &ben(), "title = \"in dollars\"").await.company.unwrap();
    assert_eq!(line(&found), "1 45.00 18.00 90.00 36.00 EUR");
}

async fn p10_months_and_amount_go_together(world: World) {
    let made = world.add_deal(&anna(), recurring("EUR", "1200", 12, 40)).await;
    let with = |recurring_amount: Option<Money>, recurring_months: i32, amount: Option<Money>| {
        let name = made.name.clone();
        proto::Opportunity { name, recurring_amount, recurring_months, amount, ..Default::default() }
    };
    for (new, paths, field) in [
        (with(None, 0, None), vec!["recurring_months"], "opportunity.recurring_months"),
        (with(None, 121, None), vec!["recurring_months"], "opportunity.recurring_months"),
        (with(None, -1, None), vec!["recurring_months"], "opportunity.recurring_months"),
        (with(None, 6, None), vec!["recurring_amount", "recurring_months"], "opportunity.recurring_amount"),
        (with(None, 0, money("USD", "1")), vec!["amount"], "opportunity.recurring_amount.currency_code"),
        (with(None, 0, None), vec!["weighted_amount"], "update_mask"),
        (with(None, 0, None), vec!["exchange_rate"], "update_mask"),
    ] {
        let refused = update(&world, new, &paths).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    let months = update(&world, with(None, 24, None), &["recurring_months"]).await.unwrap();
    assert_eq!(months.monthly_recurring_amount, money("EUR", "50.00"));
    let both = with(money("USD", "120"), 0, money("USD", "1"));
    let both = update(&world, both, &["amount", "recurring_amount"]).await.unwrap();
    assert_eq!(both.monthly_recurring_amount, money("USD", "5.00"));
    // Without a mask what is set is taken.
    let unmasked = update(&world, with(money("USD", "240"), 0, None), &[]).await.unwrap();
    assert_eq!((unmasked.amount, unmasked.recurring_months), (money("USD", "1"), 24));
    let none = update(&world, with(None, 0, None), &["recurring_amount"]).await.unwrap();
    assert_eq!(
        (none.recurring_amount, none.recurring_months, none.monthly_recurring_amount),
        (None, 0, None)
    );
    let stale = proto::Opportunity { etag: made.etag.clone(), ..with(None, 6, money("EUR", "5")) };
    assert_eq!(failure(update(&world, stale, &["amount"]).await).0, Code::Aborted);
    assert_eq!(world.deal(&made.name).await.amount, money("USD", "1"));
}
