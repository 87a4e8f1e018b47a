//! Row P14: any sequence of merges and unmerges returns to the start.

use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::duplicate_service_client::DuplicateServiceClient;
use kontor_proto::pipeline::v1::find_duplicates_request::Of;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{SECOND, admin};
use tonic::Code;

use crate::merge_help::{
    add_step, complete, convert, deals, leads, merge_deals, merge_leads, partner, require, steps,
    unmerge_deals, unmerge_leads,
};
use crate::world::{World, deal, lead};

kontor_testbed::on_both! { World;
    p14_any_sequence_of_merges_of_leads_returns_to_the_start,
    p14_any_sequence_of_merges_of_opportunities_returns_to_the_start,
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below
    }

    fn pick(&mut self, of: &[&str]) -> String {
        of[self.next(of.len())].to_owned()
    }
}

/// What a model knows: who went into whom by which merge.
struct Model {
    names: Vec<String>,
    /// Merge, survivor and those that went.
    merges: Vec<(String, String, Vec<String>)>,
}

impl Model {
    fn is_gone(&self, name: &String) -> bool {
        self.merges.iter().any(|(_, _, gone)| gone.contains(name))
    }

    fn end_of(&self, name: &str) -> String {
        let next = self.merges.iter().find(|(_, _, gone)| gone.iter().any(|it| it == name));
        next.map_or_else(|| name.to_owned(), |(_, survivor, _)| self.end_of(survivor))
    }

    /// A survivor, often one of the first three, and one to three others; some may be gone.
    fn choose(&self, random: &mut Random) -> (String, Vec<String>) {
        let mut names = self.names.clone();
        let among = if random.next(3) > 0 { 3 } else { names.len() };
        let survivor = names.remove(random.next(among));
        let count = [1, 1, 1, 2, 3][random.next(5)];
        let others = (0..count).map(|_| names.remove(random.next(names.len()))).collect();
        (survivor, others)
    }
}

async fn p14_any_sequence_of_merges_of_leads_returns_to_the_start(world: World) {
    let mut random = Random(20_261_129);
    let mut model = Model { names: Vec::new(), merges: Vec::new() };
    for number in 0..10 {
        world.pass(SECOND);
        let mut tags: Vec<String> = (0..random.next(4)).map(|_| random.pick(&["a", "b", "c"])).collect();
        tags.dedup();
        let attributes = (0..random.next(3)).map(|_| (random.pick(&["k", "l"]), random.pick(&["1", "2"])));
        let attributes = attributes.collect();
        let new = proto::Lead {
            contact_name: random.pick(&["", "Anna", "Ben"]),
            company_name: random.pick(&["", "Acme", "Bolt"]),
            email: random.pick(&["", "a@x.com", "b@x.com"]),
            phone: random.pick(&["", "0471 12 34 56", "0471 12 34 57"]),
            region: random.pick(&["", "BE", "DE"]),
            source: random.pick(&["", "fair", "web"]),
            description: random.pick(&["", "one", "two", "one and two"]),
            tags,
            attributes,
            ..lead(&format!("{number}"))
        };
        model.names.push(world.add_lead(&admin(), new).await.name);
    }
    let start = leads(&world).await;
    let found = duplicates(&world, &model.names).await;
    let (mut merged, mut taken_back, mut refused) = (0, 0, 0);
    for step in 0..240 {
        world.pass(SECOND);
        if random.next(5) > 1 {
            let (survivor, others) = model.choose(&mut random);
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            let can = !model.is_gone(&survivor) && !others.iter().any(|other| model.is_gone(other));
            match merge_leads(&world, &admin(), &survivor, &names).await {
                Ok(done) => {
                    assert!(can, "step {step}");
                    model.merges.push((done.merge.unwrap().name, survivor, others));
                    merged += 1;
                }
                Err(cause) => {
                    assert_eq!((can, cause.code()), (false, Code::NotFound), "step {step}: {cause}");
                    refused += 1;
                }
            }
        } else if !model.merges.is_empty() {
            let place = random.next(model.merges.len());
            let (merge, survivor, _) = model.merges[place].clone();
            let can = !model.is_gone(&survivor);
            match unmerge_leads(&world, &admin(), &merge).await {
                Ok(_) => {
                    assert!(can, "step {step}");
                    model.merges.remove(place);
                    taken_back += 1;
                }
                Err(cause) => {
                    assert_eq!(
                        (can, cause.code()),
                        (false, Code::FailedPrecondition),
                        "step {step}: {cause}"
                    );
                }
            }
        }
        // Where names lead to, some at each step.
        for name in model.names.iter().skip(step % 4).step_by(4) {
            assert_eq!(world.lead(name).await.name, model.end_of(name), "step {step}");
        }
        if model.merges.is_empty() {
            assert_eq!(leads(&world).await, start, "step {step}");
        }
    }
    assert!(merged > 40 && taken_back > 40 && refused > 20, "{merged} {taken_back} {refused}");
    // In any order that is allowed.
    while !model.merges.is_empty() {
        world.pass(SECOND);
        let place = random.next(model.merges.len());
        let (merge, survivor, _) = model.merges[place].clone();
        if !model.is_gone(&survivor) {
            unmerge_leads(&world, &admin(), &merge).await.unwrap();
            model.merges.remove(place);
        }
    }
    assert_eq!(leads(&world).await, start);
    assert_eq!(duplicates(&world, &model.names).await, found);
}

/// Names of what each is found with.
async fn duplicates(world: &World, names: &[String]) -> Vec<Vec<String>> {
    let mut client = DuplicateServiceClient::new(world.link.clone());
    let mut all = Vec::new();
    for name in names {
        let request = proto::FindDuplicatesRequest { of: Some(Of::Name(name.clone())), max_count: 100 };
        let answer = client.find_duplicates(admin().request(request)).await.unwrap().into_inner();
        all.push(answer.duplicates.into_iter().map(|it| format!("{:?}", it.record.unwrap().name)).collect());
    }
    all
}

async fn p14_any_sequence_of_merges_of_opportunities_returns_to_the_start(world: World) {
    let mut random = Random(4_711);
    let partners = [String::new(), partner(&world, "Acme").await, partner(&world, "Bolt").await];
    let mut model = Model { names: Vec::new(), merges: Vec::new() };
    for number in 0..9 {
        world.pass(SECOND);
        let title = format!("{number}");
        let name = if number % 3 == 0 {
            let new = proto::Lead { email: format!("{number}@x.com"), ..lead(&title) };
            convert(&world, &world.add_lead(&admin(), new).await.name).await.unwrap().name
        } else {
            let amount = random.pick(&["", "10", "20"]);
            let amount = (!amount.is_empty()).then(|| Money { currency_code: "EUR".to_owned(), amount });
            let new = proto::Opportunity {
                partner: partners[random.next(3)].clone(),
                amount,
                expected_close_date: random.pick(&["", "2026-12-24", "2026-12-25"]),
                source: random.pick(&["", "fair"]),
                description: random.pick(&["", "one", "two"]),
                tags: vec![random.pick(&["a", "b"])],
                ..deal(&title)
            };
            world.add_deal(&admin(), new).await.name
        };
        for done in 0..random.next(3) {
            world.pass(SECOND);
            let step = add_step(&world, &name, &format!("{number} {done}"), "2026-12-01").await;
            complete(&world, &step.name).await;
        }
        if random.next(3) > 0 {
            world.pass(SECOND);
            add_step(&world, &name, &format!("{number} open"), "2026-12-02").await;
        }
        if random.next(2) > 0 {
            require(&world, &name, &random.pick(&["BE", "NL"])).await;
        }
        model.names.push(name);
    }
    let start = (deals(&world).await, steps(&world).await, leads(&world).await);
    let (mut merged, mut taken_back) = (0, 0);
    for step in 0..160 {
        world.pass(SECOND);
        if random.next(5) > 1 {
            let (survivor, others) = model.choose(&mut random);
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            let can = !model.is_gone(&survivor) && !others.iter().any(|other| model.is_gone(other));
            match merge_deals(&world, &admin(), &survivor, &names).await {
                Ok(done) => {
                    assert!(can, "step {step}");
                    model.merges.push((done.merge.unwrap().name, survivor, others));
                    merged += 1;
                }
                Err(cause) => {
                    assert_eq!((can, cause.code()), (false, Code::NotFound), "step {step}: {cause}")
                }
            }
        } else if !model.merges.is_empty() {
            let place = random.next(model.merges.len());
            let (merge, survivor, _) = model.merges[place].clone();
            let can = !model.is_gone(&survivor);
            match unmerge_deals(&world, &admin(), &merge).await {
                Ok(_) => {
                    assert!(can, "step {step}");
                    model.merges.remove(place);
                    taken_back += 1;
                }
                Err(cause) => {
                    assert_eq!(
                        (can, cause.code()),
                        (false, Code::FailedPrecondition),
                        "step {step}: {cause}"
                    );
                }
            }
        }
        let all = steps(&world).await;
        assert_eq!(all.len(), start.1.len(), "step {step}: no next step is lost");
        if model.merges.is_empty() {
            assert_eq!((deals(&world).await, all, leads(&world).await), start, "step {step}");
        }
    }
    assert!(merged > 25 && taken_back > 25, "{merged} {taken_back}");
    while !model.merges.is_empty() {
        let place = random.next(model.merges.len());
        let (merge, survivor, _) = model.merges[place].clone();
        if !model.is_gone(&survivor) {
            unmerge_deals(&world, &admin(), &merge).await.unwrap();
            model.merges.remove(place);
        }
    }
    assert_eq!((deals(&world).await, steps(&world).await, leads(&world).await), start);
}
