//! A process that ends between what it asked of telephony and what it writes of that.

use kontor_kit::context::Context;
use kontor_testbed::{Gate, Place};

use super::*;

kontor_testbed::on_both! { Crashing; s9_a_crash_between_the_services_doubles_nothing }

/// Segmentation of its own life, with a gate before telephony.
struct Crashing {
    world: World,
    gate: Gate,
    own: Context,
}

impl Crashing {
    async fn start(place: Place) -> Crashing {
        let (gate, own) = (Gate::default(), life(&place));
        let world = World::over(place, &own, |telephony| gate.before(telephony)).await;
        Crashing { world, gate, own }
    }
}

/// A context that ends by itself.
fn life(place: &Place) -> Context {
    Context { stop: Default::default(), tasks: Default::default(), ..place.context.clone() }
}

async fn s9_a_crash_between_the_services_doubles_nothing(crashing: Crashing) {
    let Crashing { mut world, gate, own } = crashing;
    let mut names = Vec::new();
    for at in 0..5 {
        names.push(world.belgian(&format!("Partner {at}"), &format!("+322400000{at}")).await);
    }
    world.known("Hans", "DE").await;
    world.add_segment("be", "country == \"BE\"").await;
    let list = world.create(&leader(), "spring", campaign("be")).await.unwrap().call_list;
    // Telephony does what it is asked, and segmentation ends before it hears of it.
    gate.lose_answers(true);
    world.begin(&leader(), "spring", 0).await.unwrap();
    let until = Instant::now() + PATIENCE;
    while world.entries(&list).await.len() < 5 {
        assert!(Instant::now() < until, "nothing was offered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.fates("spring", Fate::Pending).await.len(), 5);
    own.stop.cancel();
    own.tasks.close();
    own.tasks.wait().await;
    // On PostgreSQL the lease of a process that ended has to run out.
    world.place.pass(6_000_000);
    // The number of one is another by now: it was offered, so it is not offered again.
    world.set_phones(&names[0], &[("+3224000077", &[])]).await;
    let own = life(&world.place);
    world.again(&own).await;
    let counts = world.filled("spring").await.counts.unwrap();
    assert_eq!((counts.added, counts.already_listed, counts.waiting), (5, 0, 0));
    let entries = world.entries(&list).await;
    let wanted: Vec<String> =
        names.iter().enumerate().map(|(at, name)| format!("+322400000{at} {name} Open")).collect();
    assert_eq!(entries, wanted);
    own.stop.cancel();
}
