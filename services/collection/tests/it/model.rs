//! Random puts, deletes and syncs against a plain map: the engine must tell every client exactly what the map holds.

use std::collections::BTreeMap;

use crate::bed::{Bed, event};
use kontor_proto::collection::v1 as proto;

kontor_testbed::on_both! { Bed;
    random_work_equals_the_model,
}

/// A small generator of numbers, so that a failure can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A client that syncs now and then.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, String>,
    token: Option<i64>,
}

async fn random_work_equals_the_model(bed: Bed) {
    let seed = 0x5eed_2026_1123_u64;
    let mut dice = Dice(seed);
    let mut model: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut clients: Vec<Held> = (0..3).map(|_| Held::default()).collect();
    for step in 0..1_500 {
        let name = format!("{}.ics", dice.below(25));
        match dice.below(10) {
            0..=4 => {
                let uid = match model.get(&name) {
                    Some((uid, _)) if dice.below(20) > 0 => uid.clone(),
                    _ => format!("u{}", dice.below(25)),
                };
                put(&bed, &mut dice, &mut model, name, uid).await;
            }
            5..=6 => {
                let deleted = bed.delete(&name).await.is_ok();
                assert_eq!(deleted, model.remove(&name).is_some(), "step {step} of seed {seed}");
            }
            _ => {
                let client = dice.below(3) as usize;
                let limit = [0, 1, 7][dice.below(3) as usize];
                let whole = sync(&bed, &mut clients[client], limit).await;
                if whole {
                    let expected: BTreeMap<_, _> =
                        model.iter().map(|(name, (_, etag))| (name.clone(), etag.clone())).collect();
                    assert_eq!(clients[client].objects, expected, "step {step} of seed {seed}");
                }
            }
        }
        assert_eq!(bed.collection().await.object_count, model.len() as i64);
    }
}

async fn put(
    bed: &Bed,
    dice: &mut Dice,
    model: &mut BTreeMap<String, (String, String)>,
    name: String,
    uid: String,
) {
    let data = event(&uid, &format!("202611{:02}", dice.below(28) + 1));
    let present = model.get(&name).map(|(_, etag)| etag.clone());
    let mut conditions = proto::Conditions::default();
    match dice.below(6) {
        0 => conditions.if_absent = true,
        1 => conditions.if_exists = true,
        2 => conditions.if_match = vec![present.clone().unwrap_or_else(|| "0".repeat(32))],
        3 => conditions.if_match = vec!["0".repeat(32)],
        _ => {}
    }
    let meets = (!conditions.if_absent || present.is_none())
        && (!conditions.if_exists || present.is_some())
        && (conditions.if_match.is_empty()
            || present.is_some_and(|etag| conditions.if_match.contains(&etag)));
    let taken = model.iter().any(|(other, (holder, _))| {
        (*holder == uid) != (*other == name) && (*holder == uid || *other == name)
    });
    match bed.put_if(&name, data, conditions).await {
        Ok(answer) => {
            assert!(meets && !taken);
            assert_eq!(answer.created, !model.contains_key(&name));
            model.insert(name, (uid, answer.etag));
        }
        Err(status) => {
            let expected = if meets { tonic::Code::AlreadyExists } else { tonic::Code::Aborted };
            assert!(status.code() == expected && (!meets || taken), "{status}");
        }
    }
}

/// One sync; true when it told all.
async fn sync(bed: &Bed, client: &mut Held, limit: i64) -> bool {
    let (changes, token, more) = bed.sync(client.token.unwrap_or(-1), limit).await.unwrap();
    for object in changes {
        match object.missing {
            true => client.objects.remove(&object.name),
            false => client.objects.insert(object.name, object.etag),
        };
    }
    client.token = Some(token);
    !more
}
