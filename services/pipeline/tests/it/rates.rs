//! Exchange rates through their service, and the forecast in the company's currency, now and as of any past instant.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::clock::to_proto;
use kontor_kit::link::Link;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::exchange_rate_service_client::ExchangeRateServiceClient;
use kontor_proto::pipeline::v1::forecast_service_client::ForecastServiceClient;
use kontor_testbed::{SECOND, admin, failure, user};
use tonic::{Code, Status};

use crate::money::money;
use crate::world::{World, anna, carl, deal, manager, mask};

kontor_testbed::on_both! { World;
    p9_rates_are_set_listed_and_deleted,
    p9_leaders_set_rates_and_everyone_reads_them,
    p9_wrong_rates_are_refused_by_row_and_field,
    p9_a_repeated_request_sets_rates_once,
    p9_the_forecast_comes_in_the_companys_currency,
    p9_as_of_any_instant_the_rates_are_those_kept_then,
    p9_when_the_companys_currency_is_changed_open_opportunities_are_rated_anew,
}

/// Microseconds of a day.
pub const DAY: i64 = 24 * 3_600 * SECOND;

fn rates(world: &World) -> ExchangeRateServiceClient<Link> {
    ExchangeRateServiceClient::new(world.link.clone())
}

fn rate(currency: &str, day: &str, rate: &str) -> proto::ExchangeRate {
    proto::ExchangeRate {
        currency_code: currency.to_owned(),
        valid_from_date: day.to_owned(),
        rate: rate.to_owned(),
        ..Default::default()
    }
}

fn request(wanted: &[(&str, &str, &str)]) -> proto::SetExchangeRatesRequest {
    let exchange_rates = wanted.iter().map(|(currency, day, number)| rate(currency, day, number)).collect();
    proto::SetExchangeRatesRequest { exchange_rates, ..Default::default() }
}

/// Sets rates: currency, first day, number.
pub async fn set(
    world: &World,
    caller: &Caller,
    wanted: &[(&str, &str, &str)],
) -> Result<Vec<proto::ExchangeRate>, Status> {
    let answer = rates(world).set_exchange_rates(caller.request(request(wanted))).await?;
    Ok(answer.into_inner().exchange_rates)
}

/// Waits until an opportunity keeps this rate.
pub async fn until_rate(world: &World, name: &str, wanted: &str) -> proto::Opportunity {
    for () in kontor_testbed::patience() {
        let deal = world.deal(name).await;
        if deal.exchange_rate == wanted {
            return deal;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} does not get the rate {wanted}");
}

async fn list(world: &World, filter: &str, page_size: i32) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let filter = filter.to_owned();
        let request = proto::ListExchangeRatesRequest { filter, page_size, page_token, ..Default::default() };
        let page = rates(world).list_exchange_rates(carl().request(request)).await.unwrap().into_inner();
        names.extend(page.exchange_rates.into_iter().map(|rate| rate.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

async fn p9_rates_are_set_listed_and_deleted(world: World) {
    let days =
        [("USD", "2026-11-01", "0.90"), ("USD", "2026-12-01", "00.91"), ("JPY", "2026-11-01", "0.006")];
    let made = set(&world, &manager(), &days).await.unwrap();
    assert_eq!(made[1].rate, "0.91");
    assert_eq!(
        (made[0].name.as_str(), made[0].company_currency_code.as_str()),
        ("exchangeRates/USD-2026-11-01", "EUR")
    );
    let all =
        ["exchangeRates/USD-2026-12-01", "exchangeRates/USD-2026-11-01", "exchangeRates/JPY-2026-11-01"];
    assert_eq!(list(&world, "", 1).await, all);
    assert_eq!(list(&world, "currency_code = USD", 50).await, all[..2]);
    assert_eq!(list(&world, "valid_from_date > \"2026-11-15\"", 50).await, all[..1]);
    let mut client = rates(&world);
    let get = |name: &str| anna().request(proto::GetExchangeRateRequest { name: name.to_owned() });
    let found = client.get_exchange_rate(get(all[1])).await.unwrap().into_inner();
    assert_eq!(found, made[0]);
    // The same again changes nothing; another number makes a new version of the same rate.
    assert_eq!(set(&world, &manager(), &days[..1]).await.unwrap()[0].etag, found.etag);
    world.pass(SECOND);
    let other = set(&world, &manager(), &[("USD", "2026-11-01", "0.89")]).await.unwrap().remove(0);
    assert_ne!(other.etag, found.etag);
    assert_eq!((&other.name, other.create_time), (&found.name, found.create_time));
    assert_eq!(world.kinds(all[1]).await, ["ExchangeRateSet", "ExchangeRateSet"]);
    // A stale etag, also of one that is not there, changes nothing at all.
    for name in [("USD", "2026-11-01"), ("CHF", "2026-11-01")] {
        let mut stale = request(&[("GBP", "2026-11-01", "1.2"), (name.0, name.1, "7")]);
        stale.exchange_rates[1].etag.clone_from(&found.etag);
        let dry = proto::SetExchangeRatesRequest { validate_only: true, ..stale.clone() };
        for stale in [stale, dry] {
            assert_eq!(failure(client.set_exchange_rates(manager().request(stale)).await).0, Code::Aborted);
        }
    }
    let dry =
        proto::SetExchangeRatesRequest { validate_only: true, ..request(&[("GBP", "2026-11-01", "1.2")]) };
    client.set_exchange_rates(manager().request(dry)).await.unwrap();
    assert_eq!(list(&world, "", 50).await, all);

    let delete = |name: &str, etag: &str| {
        let (name, etag) = (name.to_owned(), etag.to_owned());
        manager().request(proto::DeleteExchangeRateRequest { name, etag, ..Default::default() })
    };
    assert_eq!(failure(client.delete_exchange_rate(delete(all[1], &found.etag)).await).0, Code::Aborted);
    let keeps = proto::Opportunity { amount: money("USD", "1"), ..deal("keeps it") };
    let keeps = world.add_deal(&anna(), keeps).await;
    client.delete_exchange_rate(delete(all[1], &other.etag)).await.unwrap();
    assert_eq!(failure(client.delete_exchange_rate(delete(all[1], "")).await).0, Code::NotFound);
    assert_eq!(failure(client.get_exchange_rate(get(all[1])).await).0, Code::NotFound);
    assert_eq!(world.kinds(all[1]).await.last().unwrap(), "ExchangeRateDeleted");
    assert_eq!(world.deal(&keeps.name).await.exchange_rate, "0.89");
}

async fn p9_leaders_set_rates_and_everyone_reads_them(world: World) {
    let wanted = [("USD", "2026-11-01", "0.90")];
    for stranger in [anna(), carl(), user("stranger")] {
        assert_eq!(failure(set(&world, &stranger, &wanted).await).0, Code::PermissionDenied);
    }
    set(&world, &manager(), &wanted).await.unwrap();
    set(&world, &admin(), &[("USD", "2026-11-02", "0.91")]).await.unwrap();
    let mut client = rates(&world);
    let delete = proto::DeleteExchangeRateRequest {
        name: "exchangeRates/USD-2026-11-01".to_owned(),
        ..Default::default()
    };
    let refused = client.delete_exchange_rate(anna().request(delete.clone())).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    assert_eq!(failure(client.delete_exchange_rate(delete).await).0, Code::Unauthenticated);
    assert_eq!(failure(client.set_exchange_rates(request(&wanted)).await).0, Code::Unauthenticated);
    let nobody = client.list_exchange_rates(proto::ListExchangeRatesRequest::default()).await;
    assert_eq!(failure(nobody).0, Code::Unauthenticated);
    let nobody = proto::GetExchangeRateRequest { name: "exchangeRates/USD-2026-11-01".to_owned() };
    assert_eq!(failure(client.get_exchange_rate(nobody).await).0, Code::Unauthenticated);
    assert_eq!(list(&world, "", 50).await.len(), 2);
}

async fn p9_wrong_rates_are_refused_by_row_and_field(world: World) {
    let good = ("GBP", "2026-11-01", "1.2");
    let endless = "1".repeat(100_000);
    for (wrong, field) in [
        (("USX", "2026-11-01", "1"), "exchange_rates[1].currency_code"),
        (("EUR", "2026-11-01", "1"), "exchange_rates[1].currency_code"),
        (("USD", "2026-11-31", "1"), "exchange_rates[1].valid_from_date"),
        (("USD", "1.11.2026", "1"), "exchange_rates[1].valid_from_date"),
        (("USD", "2026-11-01", "0"), "exchange_rates[1].rate"),
        (("USD", "2026-11-01", "-1"), "exchange_rates[1].rate"),
        (("USD", "2026-11-01", "0,9"), "exchange_rates[1].rate"),
        (("USD", "2026-11-01", &endless), "exchange_rates[1].rate"),
        (("GBP", "2026-11-01", "1.2"), "exchange_rates[1]"),
    ] {
        let refused = set(&world, &manager(), &[good, wrong]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
        assert!(refused.message().len() < 500);
    }
    let mut named = request(&[("USD", "2026-11-01", "1")]);
    "exchangeRates/USD-2026-11-02".clone_into(&mut named.exchange_rates[0].name);
    let refused = rates(&world).set_exchange_rates(manager().request(named)).await.unwrap_err();
    assert!(refused.message().starts_with("exchange_rates[0].name"), "{}", refused.message());
    let many: Vec<String> = (0..501).map(|place| format!("{:04}-01-01", 2_000 + place)).collect();
    let many: Vec<_> = many.iter().map(|day| ("USD", day.as_str(), "1")).collect();
    assert_eq!(failure(set(&world, &manager(), &many).await).0, Code::InvalidArgument);
    assert_eq!(failure(set(&world, &manager(), &[]).await).0, Code::InvalidArgument);
    assert!(list(&world, "", 50).await.is_empty());
    assert_eq!(set(&world, &manager(), &many[..500]).await.unwrap().len(), 500);
}

async fn p9_a_repeated_request_sets_rates_once(world: World) {
    let first = proto::SetExchangeRatesRequest {
        request_id: "monday".to_owned(),
        ..request(&[("USD", "2026-11-01", "0.90")])
    };
    let calls = (0..8).map(|_| {
        let (mut client, request) = (rates(&world), manager().request(first.clone()));
        tokio::spawn(async move { client.set_exchange_rates(request).await.unwrap().into_inner() })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    set(&world, &manager(), &[("USD", "2026-11-01", "0.95")]).await.unwrap();
    let again =
        rates(&world).set_exchange_rates(manager().request(first.clone())).await.unwrap().into_inner();
    assert_eq!(again, answers[0]);
    assert_eq!(world.kinds("exchangeRates/USD-2026-11-01").await.len(), 2);
    let other =
        proto::SetExchangeRatesRequest { exchange_rates: vec![rate("USD", "2026-11-01", "1")], ..first };
    assert_eq!(
        failure(rates(&world).set_exchange_rates(manager().request(other)).await).0,
        Code::InvalidArgument
    );
    let delete = proto::DeleteExchangeRateRequest {
        name: "exchangeRates/USD-2026-11-01".to_owned(),
        request_id: "gone".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        rates(&world).delete_exchange_rate(manager().request(delete.clone())).await.unwrap();
    }
}

async fn forecast(world: &World, currency: &str, as_of: Option<i64>) -> Vec<String> {
    let request = proto::GetForecastRequest {
        as_of_time: as_of.map(to_proto),
        currency_code: currency.to_owned(),
        ..Default::default()
    };
    let mut client = ForecastServiceClient::new(world.link.clone());
    let rows = client.get_forecast(admin().request(request)).await.unwrap().into_inner().rows;
    let line = |row: proto::ForecastRow| {
        let proto::ForecastRow { total, weighted, monthly_recurring, weighted_monthly_recurring, .. } = row;
        let currency = if row.currency_code.is_empty() { "-" } else { &row.currency_code };
        let sums = [total, weighted, monthly_recurring, weighted_monthly_recurring].join(" ");
        format!("{currency} {} {sums}", row.count)
    };
    rows.into_iter().map(line).collect()
}

async fn p9_the_forecast_comes_in_the_companys_currency(world: World) {
    set(&world, &manager(), &[("USD", "2026-11-01", "0.90")]).await.unwrap();
    let half = |currency: &str, amount: &str| proto::Opportunity {
        amount: money(currency, amount),
        probability: Some(50),
        ..deal(currency)
    };
    world.add_deal(&anna(), half("EUR", "100")).await;
    let dollars = proto::Opportunity {
        recurring_amount: money("USD", "1200"),
        recurring_months: 12,
        ..half("USD", "100")
    };
    world.add_deal(&anna(), dollars).await;
    world.add_deal(&anna(), half("GBP", "7")).await;
    world.add_deal(&anna(), deal("without an amount")).await;
    assert_eq!(
        forecast(&world, "EUR", None).await,
        [
            "- 1 0.0000 0.000000 0.0000 0.000000",
            "EUR 2 190.0000 95.000000 90.0000 45.000000",
            "GBP 1 7.0000 3.500000 0.0000 0.000000",
        ]
    );
    assert_eq!(
        forecast(&world, "", None).await[1..],
        [
            "EUR 1 100.0000 50.000000 0.0000 0.000000",
            "GBP 1 7.0000 3.500000 0.0000 0.000000",
            "USD 1 100.0000 50.000000 100.0000 50.000000",
        ]
    );
    for wrong in ["USD", "eur", "EUX"] {
        let request = proto::GetForecastRequest { currency_code: wrong.to_owned(), ..Default::default() };
        let mut client = ForecastServiceClient::new(world.link.clone());
        let refused = client.get_forecast(admin().request(request)).await.unwrap_err();
        assert!(refused.message().starts_with("currency_code"), "{}", refused.message());
    }
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Another amount, another rate, an end or a new beginning.
async fn change(world: &World, dice: &mut Dice, names: &mut Vec<String>) {
    let currency = ["EUR", "USD", "GBP"][dice.below(3)];
    let new = proto::Opportunity {
        amount: money(currency, &format!("{}.{:02}", dice.below(10_000), dice.below(100))),
        probability: Some(i32::try_from(dice.below(101)).unwrap()),
        ..deal("x")
    };
    if names.is_empty() || dice.below(4) == 0 {
        names.push(world.add_deal(&admin(), new).await.name);
        return;
    }
    let name = names[dice.below(names.len())].clone();
    let mut deals = world.deals.clone();
    match dice.below(6) {
        0 => {
            let win = proto::WinOpportunityRequest { name, ..Default::default() };
            drop(deals.win_opportunity(admin().request(win)).await);
        }
        1 => {
            let reopen = proto::ReopenOpportunityRequest { name, ..Default::default() };
            drop(deals.reopen_opportunity(admin().request(reopen)).await);
        }
        2 | 3 => {
            let number = format!("0.{:05}", 1 + dice.below(99_999));
            let day = format!("2026-11-{:02}", 20 + dice.below(8));
            let foreign = ["USD", "GBP"][dice.below(2)];
            set(world, &admin(), &[(foreign, &day, &number)]).await.unwrap();
            settled(world, foreign, &day, &number).await;
        }
        _ => {
            let opportunity = Some(proto::Opportunity { name, ..new });
            let update_mask = mask(&["amount"]);
            let request = proto::UpdateOpportunityRequest { opportunity, update_mask, ..Default::default() };
            deals.update_opportunity(admin().request(request)).await.unwrap();
        }
    }
}

/// The open opportunities.
async fn open(world: &World) -> Vec<proto::Opportunity> {
    let filter = "state = OPEN".to_owned();
    let request = proto::ListOpportunitiesRequest { filter, page_size: 1_000, ..Default::default() };
    world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner().opportunities
}

/// Waits until this rate, just set, has reached all open opportunities, and with it any other that began to be valid since.
async fn settled(world: &World, currency: &str, day: &str, number: &str) {
    let now = jiff::Timestamp::from_microsecond(world.place.now()).unwrap();
    let today = now.in_tz("Europe/Brussels").unwrap().date().to_string();
    let valid = list(world, &format!("valid_from_date <= {today}"), 1_000).await.join(" ");
    let waits = |deal: &proto::Opportunity| {
        let code = deal.amount.as_ref().map_or("", |money| &money.currency_code);
        let has_none = deal.exchange_rate.is_empty() && valid.contains(&format!("/{code}-"));
        let has_other = deal.exchange_rate_date == day && deal.exchange_rate != number;
        has_none || (code == currency && has_other)
    };
    for () in kontor_testbed::patience() {
        if !open(world).await.iter().any(waits) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("opportunities wait for the rate of {currency} from {day} on");
}

/// What the opportunities themselves say now, in euros, and the number of those that have no rate.
async fn recomputed(world: &World) -> (f64, i32) {
    let (mut sum, mut without) = (0.0, 0);
    for deal in open(world).await {
        let money = deal.amount.unwrap();
        let value = money.amount.parse::<f64>().unwrap() * f64::from(deal.probability.unwrap()) / 100.0;
        match deal.exchange_rate.parse::<f64>() {
            Ok(rate) => sum += value * rate,
            Err(_) if money.currency_code == "EUR" => sum += value,
            Err(_) => without += 1,
        }
    }
    (sum, without)
}

async fn p9_as_of_any_instant_the_rates_are_those_kept_then(world: World) {
    let mut dice = Dice(4_217);
    let (mut names, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        change(&world, &mut dice, &mut names).await;
        let live = forecast(&world, "EUR", None).await;
        let (sum, without) = recomputed(&world).await;
        let column = |line: &str, place: usize| line.split(' ').nth(place).unwrap().parse::<f64>().unwrap();
        let euros =
            live.iter().filter(|line| line.starts_with("EUR")).map(|line| column(line, 3)).sum::<f64>();
        assert!((euros - sum).abs() < 0.01, "{live:?} is not {sum}");
        let apart =
            live.iter().filter(|line| !line.starts_with("EUR")).map(|line| column(line, 1)).sum::<f64>();
        assert!((apart - f64::from(without)).abs() < 0.5, "{live:?} has not {without} without a rate");
        answers.push((world.place.now(), live));
        world.pass(1 + i64::try_from(dice.below(3 * 3_600)).unwrap() * SECOND);
    }
    assert!(answers.iter().any(|(_, lines)| lines.iter().any(|line| line.starts_with("USD"))));
    for (time, answer) in answers {
        assert_eq!(forecast(&world, "EUR", Some(time)).await, answer);
    }
}

async fn p9_when_the_companys_currency_is_changed_open_opportunities_are_rated_anew(world: World) {
    set(&world, &manager(), &[("USD", "2026-11-01", "0.90"), ("GBP", "2026-11-01", "1.20")]).await.unwrap();
    let of = |currency: &str| proto::Opportunity { amount: money(currency, "100"), ..deal(currency) };
    let mut open = Vec::new();
    for currency in ["USD", "EUR", "GBP"] {
        open.push(world.add_deal(&anna(), of(currency)).await);
    }
    let won = world.add_deal(&anna(), of("GBP")).await;
    let win = proto::WinOpportunityRequest { name: won.name.clone(), ..Default::default() };
    let won = world.deals.clone().win_opportunity(anna().request(win)).await.unwrap().into_inner();
    // More than one batch.
    for _ in 0..110 {
        world.add_deal(&anna(), of("GBP")).await;
    }
    world.pass(SECOND);
    // The same installation, started again with another setting.
    let mut context = world.place.another_process();
    context.company.currency = "USD".to_owned();
    let peers =
        kontor_pipeline::Peers { directory: world.directory.clone(), calendar: world.calendar.clone() };
    let again = Link::local(kontor_pipeline::start(&context, peers).await.unwrap().routes);
    let last = self::open(&world).await.remove(0);
    for name in open.iter().chain([&last]).map(|deal| &deal.name) {
        until_rate(&world, name, "").await;
    }
    assert_eq!(world.deal(&won.name).await, won, "a closed one keeps what it was closed with");
    assert_eq!(world.kinds(&last.name).await, ["OpportunityCreated", "OpportunityUpdated"]);
    assert_eq!(world.kinds(&open[1].name).await, ["OpportunityCreated"], "it had no rate");
    let wanted = request(&[("EUR", "2026-11-01", "1.10"), ("GBP", "2026-11-01", "1.30")]);
    ExchangeRateServiceClient::new(again).set_exchange_rates(manager().request(wanted)).await.unwrap();
    until_rate(&world, &open[1].name, "1.10").await;
    until_rate(&world, &last.name, "1.30").await;
    assert_eq!(world.deal(&open[0].name).await.exchange_rate, "", "it is in the company's currency now");
    context.stop.cancel();
}
