//! The forecast, now and as of any past instant.

use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::link::Link;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::ForecastGroup::{Month, Owner, Team};
use kontor_proto::pipeline::v1::forecast_service_client::ForecastServiceClient;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{SECOND, admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, deal, manager, mask};

kontor_testbed::on_both! { World;
    p18_a_weighted_forecast_by_month_team_and_owner,
    p18_as_of_any_instant_equals_what_was_answered_then,
    p18_a_stage_of_another_probability_changes_only_what_comes_after,
    p18_everyone_sees_the_sums_of_what_they_may_see,
    p18_bad_questions_are_refused_by_field,
}

fn forecasts(world: &World) -> ForecastServiceClient<Link> {
    ForecastServiceClient::new(world.link.clone())
}

fn offer(title: &str, money: (&str, &str), probability: Option<i32>, day: &str) -> proto::Opportunity {
    let (currency_code, amount) = money;
    proto::Opportunity {
        amount: Some(Money { currency_code: currency_code.to_owned(), amount: amount.to_owned() }),
        probability,
        expected_close_date: day.to_owned(),
        assignee: "users/anna".to_owned(),
        ..deal(title)
    }
}

fn by(groups: &[proto::ForecastGroup]) -> proto::GetForecastRequest {
    let group_by = groups.iter().map(|group| i32::from(*group)).collect();
    proto::GetForecastRequest { group_by, ..Default::default() }
}

async fn ask(world: &World, request: proto::GetForecastRequest) -> proto::Forecast {
    forecasts(world).get_forecast(admin().request(request)).await.unwrap().into_inner()
}

/// "month team owner currency count total weighted" of each row.
fn lines(forecast: &proto::Forecast) -> Vec<String> {
    let line = |row: &proto::ForecastRow| {
        let words = [&row.month, &row.team, &row.owner, &row.currency_code].map(|word| match word.as_str() {
            "" => "-",
            word => word.rsplit('/').next().unwrap(),
        });
        format!("{} {} {} {}", words.join(" "), row.count, row.total, row.weighted)
    };
    forecast.rows.iter().map(line).collect()
}

async fn p18_a_weighted_forecast_by_month_team_and_owner(world: World) {
    // The first stage has 10 %.
    world.add_deal(&anna(), offer("a", ("EUR", "1000"), None, "2026-11-30")).await;
    world.add_deal(&anna(), offer("b", ("EUR", "0.3"), Some(33), "2026-12-01")).await;
    world.add_deal(&anna(), offer("c", ("USD", "100"), Some(50), "2026-12-31")).await;
    let of_ben = proto::Opportunity {
        assignee: "users/ben".to_owned(),
        ..offer("d", ("EUR", "999999999999999.99"), Some(100), "2026-12-15")
    };
    world.add_deal(&ben(), of_ben).await;
    world.add_deal(&anna(), deal("without an amount and a day")).await;
    let lost = world.add_deal(&anna(), offer("lost", ("EUR", "7"), None, "2026-12-15")).await;
    let lose =
        proto::LoseOpportunityRequest { name: lost.name, reason: "price".to_owned(), ..Default::default() };
    world.deals.clone().lose_opportunity(anna().request(lose)).await.unwrap();

    assert_eq!(
        lines(&ask(&world, by(&[])).await),
        [
            "- - - - 1 0.0000 0.000000",
            "2026-11 - - EUR 1 1000.0000 100.000000",
            "2026-12 - - EUR 2 1000000000000000.2900 1000000000000000.089000",
            "2026-12 - - USD 1 100.0000 50.000000",
        ]
    );
    assert_eq!(
        lines(
            &ask(
                &world,
                proto::GetForecastRequest { start_month: "2026-12".to_owned(), ..by(&[Owner, Team]) }
            )
            .await
        ),
        [
            "- sales anna EUR 1 0.3000 0.099000",
            "- sales anna USD 1 100.0000 50.000000",
            "- sales ben EUR 1 999999999999999.9900 999999999999999.990000",
        ]
    );
    let november = proto::GetForecastRequest { end_month: "2026-11".to_owned(), ..by(&[Month]) };
    assert_eq!(lines(&ask(&world, november).await), ["2026-11 - - EUR 1 1000.0000 100.000000"]);
    let other = proto::GetForecastRequest { pipeline: "pipelines/other".to_owned(), ..by(&[]) };
    assert!(ask(&world, other).await.rows.is_empty());
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// A change of any kind; some are refused, and then they must leave no trace.
async fn change(world: &World, dice: &mut Dice, names: &mut Vec<String>) {
    let mut deals = world.deals.clone();
    let amount = format!("{}.{:02}", dice.below(100_000), dice.below(100));
    let day = dice.of(&["", "2026-11-30", "2026-12-31", "2027-01-15"]).to_owned();
    let probability = [None, Some(0), Some(35), Some(80)][dice.below(4)];
    let assignee = dice.of(&["", "users/anna", "users/ben"]).to_owned();
    let team = dice.of(&["teams/sales", "teams/support"]).to_owned();
    let money = (dice.of(&["EUR", "USD"]), amount.as_str());
    let new = proto::Opportunity { assignee, team, ..offer("x", money, probability, &day) };
    if names.is_empty() || dice.below(4) == 0 {
        names.push(world.add_deal(&admin(), new).await.name);
        return;
    }
    let name = names[dice.below(names.len())].clone();
    match dice.below(8) {
        0 => {
            let win = proto::WinOpportunityRequest { name, ..Default::default() };
            drop(deals.win_opportunity(admin().request(win)).await);
        }
        1 => {
            let lose = proto::LoseOpportunityRequest { name, reason: "x".to_owned(), ..Default::default() };
            drop(deals.lose_opportunity(admin().request(lose)).await);
        }
        2 => {
            let delete = proto::DeleteOpportunityRequest { name, ..Default::default() };
            drop(deals.delete_opportunity(admin().request(delete)).await);
        }
        3 | 4 => {
            let stage = format!("pipelines/default/stages/{}", dice.of(&["new", "qualified", "none"]));
            let request = proto::MoveStageRequest { name, stage, ..Default::default() };
            drop(deals.move_stage(admin().request(request)).await);
        }
        5 => stage_probability(world, i32::try_from(dice.below(101)).unwrap()).await,
        _ => {
            let fields = ["amount", "probability", "expected_close_date", "assignee", "team", "title"];
            let paths: Vec<_> = fields.into_iter().filter(|_| dice.below(2) == 0).collect();
            let opportunity = Some(proto::Opportunity { name, ..new });
            let update_mask = mask(if paths.is_empty() { &["title"] } else { &paths });
            let request = proto::UpdateOpportunityRequest { opportunity, update_mask, ..Default::default() };
            drop(deals.update_opportunity(admin().request(request)).await);
        }
    }
}

/// Gives the first stage of the default pipeline another probability.
async fn stage_probability(world: &World, probability: i32) {
    let mut pipelines = world.pipelines.clone();
    let get = proto::GetPipelineRequest { name: "pipelines/default".to_owned() };
    let mut pipeline = pipelines.get_pipeline(admin().request(get)).await.unwrap().into_inner();
    pipeline.stages[0].probability = probability;
    let request = proto::UpdatePipelineRequest {
        pipeline: Some(pipeline),
        update_mask: mask(&["stages"]),
        ..Default::default()
    };
    pipelines.update_pipeline(admin().request(request)).await.unwrap();
}

/// What the opportunities themselves say now, added up without the history.
async fn recomputed(world: &World) -> Vec<(String, i64, f64)> {
    let request = proto::ListOpportunitiesRequest {
        filter: "state = OPEN".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let open = world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner();
    let mut sums = std::collections::BTreeMap::<String, (i64, f64)>::new();
    for deal in open.opportunities {
        let money = deal.amount.unwrap_or_default();
        let key = format!("{} {}", deal.expected_close_date.get(..7).unwrap_or(""), money.currency_code);
        let sum = sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += money.amount.parse::<f64>().unwrap_or(0.0) * f64::from(deal.probability.unwrap()) / 100.0;
    }
    sums.into_iter().map(|(key, (count, weighted))| (key, count, weighted)).collect()
}

async fn p18_as_of_any_instant_equals_what_was_answered_then(world: World) {
    let mut dice = Dice(20_261_123);
    let (mut names, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..120 {
        // Several changes may fall on one instant.
        for _ in 0..=dice.below(3) {
            change(&world, &mut dice, &mut names).await;
        }
        let live = ask(&world, by(&[Month, Team, Owner])).await;
        answers.push((world.place.now(), live));
        world.pass(1 + i64::try_from(dice.below(3 * 3_600)).unwrap() * SECOND);
        let rows = ask(&world, by(&[])).await.rows;
        let expected = recomputed(&world).await;
        assert_eq!(rows.len(), expected.len());
        for (row, (key, count, weighted)) in rows.iter().zip(expected) {
            assert_eq!((format!("{} {}", row.month, row.currency_code), row.count), (key, count));
            assert!(
                (row.weighted.parse::<f64>().unwrap() - weighted).abs() < 1e-3,
                "{row:?} is not {weighted}"
            );
        }
    }
    let distinct: std::collections::BTreeSet<_> = answers.iter().map(|(_, answer)| lines(answer)).collect();
    assert!(distinct.len() > 60, "{} answers differ", distinct.len());
    for (time, answer) in answers {
        let request =
            proto::GetForecastRequest { as_of_time: Some(to_proto(time)), ..by(&[Month, Team, Owner]) };
        let then = ask(&world, request).await;
        assert_eq!(then, answer);
        assert_eq!(from_proto(&then.as_of_time.unwrap()), time);
    }
}

async fn p18_a_stage_of_another_probability_changes_only_what_comes_after(world: World) {
    world.add_deal(&anna(), offer("a", ("EUR", "1000"), None, "2026-12-01")).await;
    world.add_deal(&anna(), offer("b", ("EUR", "1000"), Some(50), "2026-12-01")).await;
    let before = world.place.now();
    world.pass(SECOND);
    stage_probability(&world, 20).await;
    assert_eq!(lines(&ask(&world, by(&[])).await), ["2026-12 - - EUR 2 2000.0000 700.000000"]);
    let then = proto::GetForecastRequest { as_of_time: Some(to_proto(before)), ..by(&[]) };
    assert_eq!(lines(&ask(&world, then).await), ["2026-12 - - EUR 2 2000.0000 600.000000"]);
    let earlier = proto::GetForecastRequest { as_of_time: Some(to_proto(before - SECOND)), ..by(&[]) };
    assert!(ask(&world, earlier).await.rows.is_empty());
}

async fn p18_everyone_sees_the_sums_of_what_they_may_see(world: World) {
    world.add_deal(&anna(), offer("a", ("EUR", "1000"), Some(50), "2026-12-01")).await;
    let own = proto::Opportunity {
        assignee: "users/carl".to_owned(),
        ..offer("c", ("EUR", "1"), Some(50), "2026-12-01")
    };
    world.add_deal(&carl(), own).await;
    let mut client = forecasts(&world);
    for (who, expected) in [
        (anna(), "2026-12 - - EUR 1 1000.0000 500.000000"),
        (ben(), "2026-12 - - EUR 1 1000.0000 500.000000"),
        (manager(), "2026-12 - - EUR 1 1000.0000 500.000000"),
        (carl(), "2026-12 - - EUR 1 1.0000 0.500000"),
        (admin(), "2026-12 - - EUR 2 1001.0000 500.500000"),
    ] {
        let found = client.get_forecast(who.request(by(&[]))).await.unwrap().into_inner();
        assert_eq!(lines(&found), [expected], "{}", who.user);
    }
    assert_eq!(failure(client.get_forecast(by(&[])).await).0, Code::Unauthenticated);
}

async fn p18_bad_questions_are_refused_by_field(world: World) {
    let good = by(&[]);
    for (wrong, field) in [
        (by(&[Month, Month]), "group_by"),
        (proto::GetForecastRequest { group_by: vec![0], ..good.clone() }, "group_by"),
        (proto::GetForecastRequest { group_by: vec![99], ..good.clone() }, "group_by"),
        (
            proto::GetForecastRequest { as_of_time: Some(to_proto(world.place.now() + 1)), ..good.clone() },
            "as_of_time",
        ),
        (proto::GetForecastRequest { start_month: "2026-13".to_owned(), ..good.clone() }, "start_month"),
        (proto::GetForecastRequest { end_month: "12-2026".to_owned(), ..good.clone() }, "end_month"),
        (
            proto::GetForecastRequest {
                start_month: "2026-12".to_owned(),
                end_month: "2026-11".to_owned(),
                ..good.clone()
            },
            "end_month",
        ),
        (proto::GetForecastRequest { pipeline: "default".to_owned(), ..good.clone() }, "pipeline"),
    ] {
        let refused = forecasts(&world).get_forecast(admin().request(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
}
