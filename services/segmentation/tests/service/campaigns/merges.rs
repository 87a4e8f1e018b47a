//! Campaigns and merges of partners: who went into somebody outside, and merges that are taken back.

use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::RecipientState;

use super::mail::Posting;
use super::*;

mod by_telephone {
    use super::*;

    kontor_testbed::on_both! { World; s9_a_merge_that_is_taken_back_gives_the_entry_back }

    async fn s9_a_merge_that_is_taken_back_gives_the_entry_back(world: World) {
        let ben = world.belgian("Ben", "+3224000001").await;
        world.known("Hans", "DE").await;
        let benny = world.without_address("Benny", "").await;
        world.tag(&benny, &[]).await;
        world.add_segment("be", "country == \"BE\"").await;
        let list = world.create(&leader(), "spring", campaign("be")).await.unwrap().call_list;
        world.begin(&leader(), "spring", 0).await.unwrap();
        assert_eq!(world.filled("spring").await.counts.unwrap().added, 1);
        // Benny is a member by the merge alone, and has Ben's entry as long as it lasts.
        let merge = world.merge(&benny, &ben).await;
        world.fates_become(Fate::Added, &[&benny]).await;
        // Also over two merges.
        let bob = world.without_address("Bob", "").await;
        world.tag(&bob, &[]).await;
        let second = world.merge(&bob, &benny).await;
        world.fates_become(Fate::Added, &[&bob]).await;
        world.unmerge(&second).await;
        world.fates_become(Fate::Added, &[&benny]).await;
        world.unmerge(&merge).await;
        world.fates_become(Fate::Added, &[&ben]).await;
        world.fates_become(Fate::Left, &[]).await;
        let open = [format!("+3224000001 {ben} Open")];
        let until = Instant::now() + PATIENCE;
        while world.entries(&list).await != open {
            assert!(Instant::now() < until, "{:?}", world.entries(&list).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It is Ben's own again: it goes with him.
        world.move_to(&ben, "DE").await;
        world.fates_become(Fate::Cancelled, &[&ben]).await;
        assert_eq!(world.entries(&list).await, [format!("+3224000001 {ben} Cancelled")]);
        // And what becomes of Benny is his own.
        world.set_phones(&benny, &[("+3224000002", &[])]).await;
        world.move_to(&benny, "BE").await;
        world.fates_become(Fate::Added, &[&benny]).await;
    }
}

kontor_testbed::on_both! { Posting;
    s10_who_went_into_somebody_outside_is_not_written_to,
    s10_a_merge_that_is_taken_back_gives_the_turn_back,
    s10_a_recipient_by_hand_stays_one_after_a_merge,
}

impl World {
    /// Waits until these partners, in any order, have a state in the campaign "spring".
    async fn fates_become(&self, fate: Fate, wanted: &[&String]) {
        let mut wanted: Vec<String> = wanted.iter().map(|name| (*name).clone()).collect();
        wanted.sort();
        let until = Instant::now() + PATIENCE;
        loop {
            let mut now = self.fates("spring", fate).await;
            now.sort();
            if now == wanted {
                return;
            }
            assert!(Instant::now() < until, "{fate:?}: {now:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Posting {
    /// Waits until these wait in the mailing.
    async fn waiting_become(&self, wanted: &[&String]) {
        let mut wanted: Vec<String> = wanted.iter().map(|name| (*name).clone()).collect();
        wanted.sort();
        let until = Instant::now() + PATIENCE;
        loop {
            let all = self.recipients().await.into_iter();
            let waiting = all.filter(|it| it.state() == RecipientState::Pending);
            let mut now: Vec<String> = waiting.map(|it| it.partner).collect();
            now.sort();
            if now == wanted {
                return;
            }
            assert!(Instant::now() < until, "{now:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A started campaign whose mailing is paused, and the only one who has it.
    async fn begin_and_pause(&self) -> String {
        let zoe = self.belgian("Zoe", "zoe@one.example").await;
        self.begin().await;
        assert_eq!(self.world.filled("spring").await.counts.unwrap().added, 1);
        let until = Instant::now() + PATIENCE;
        while self.recipients().await.iter().any(|it| it.state() != RecipientState::Sent) {
            assert!(Instant::now() < until, "{:?}", self.recipients().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.pause().await;
        zoe
    }
}

/// While the campaign can't reach mail, one who is to be offered goes into somebody who is no member.
async fn s10_who_went_into_somebody_outside_is_not_written_to(posting: Posting) {
    posting.begin_and_pause().await;
    let carla = posting.world.add_partner("Carla", "DE", "carla@one.example", "").await;
    posting.world.tag(&carla, &[]).await;
    posting.gate.shut();
    let carl = posting.belgian("Carl", "carl@one.example").await;
    posting.world.fates_become(Fate::Pending, &[&carl]).await;
    posting.world.merge(&carla, &carl).await;
    let until = Instant::now() + PATIENCE;
    while posting.world.members("be").await.contains(&carl) {
        assert!(Instant::now() < until, "the merge is not heard");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    posting.gate.open();
    posting.world.fates_become(Fate::Pending, &[]).await;
    assert_eq!(posting.recipients().await.len(), 1, "{:?}", posting.recipients().await);
    posting.resume().await;
    assert_eq!(posting.end().await, ["zoe@one.example"]);
}

async fn s10_a_merge_that_is_taken_back_gives_the_turn_back(posting: Posting) {
    let zoe = posting.begin_and_pause().await;
    let world = &posting.world;
    let ben = posting.belgian("Ben", "ben@one.example").await;
    let benny = posting.without_address("Benny", "benny@one.example").await;
    world.tag(&benny, &[]).await;
    let (dora, dori) = (
        posting.belgian("Dora", "dora@one.example").await,
        posting.belgian("Dori", "dori@one.example").await,
    );
    world.fates_become(Fate::Added, &[&zoe, &ben, &dora, &dori]).await;
    // Benny becomes a member by the merge, and has Ben's turn; of Dora and Dori one waits.
    let merges = [world.merge(&benny, &ben).await, world.merge(&dora, &dori).await];
    world.fates_become(Fate::Added, &[&zoe, &benny, &dora]).await;
    posting.waiting_become(&[&benny, &dora]).await;
    for merge in &merges {
        world.unmerge(merge).await;
    }
    world.fates_become(Fate::Added, &[&zoe, &ben, &dora, &dori]).await;
    world.fates_become(Fate::Left, &[]).await;
    posting.waiting_become(&[&ben, &dora, &dori]).await;
    // They are their own again: who leaves gets nothing, and nobody else goes with him. Benny may have been seen leaving, in the moment before the turn went back.
    world.move_to(&ben, "DE").await;
    let until = Instant::now() + PATIENCE;
    loop {
        let mut cancelled = world.fates("spring", Fate::Cancelled).await;
        cancelled.retain(|name| *name != benny);
        if cancelled == [ben.clone()] {
            break;
        }
        assert!(Instant::now() < until, "{cancelled:?}, not {ben}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    posting.waiting_become(&[&dora, &dori]).await;
    posting.resume().await;
    assert_eq!(posting.end().await, ["dora@one.example", "dori@one.example", "zoe@one.example"]);
}

async fn s10_a_recipient_by_hand_stays_one_after_a_merge(posting: Posting) {
    let zoe = posting.begin_and_pause().await;
    let world = &posting.world;
    let dori = world.add_partner("Dori", "DE", "dori@one.example", "").await;
    world.tag(&dori, &[]).await;
    let request = mail::AddRecipientsRequest {
        parent: posting.mailing.clone(),
        recipients: vec![mail::NewRecipient { partner: dori.clone(), ..Default::default() }],
        ..Default::default()
    };
    posting.mailings().add_recipients(leader().request(request)).await.unwrap();
    world.move_to(&dori, "BE").await;
    world.fates_become(Fate::AlreadyListed, &[&dori]).await;
    let dora = posting.belgian("Dora", "dora@one.example").await;
    world.fates_become(Fate::Added, &[&zoe, &dora]).await;
    world.merge(&dori, &dora).await;
    world.fates_become(Fate::Left, &[&dora]).await;
    world.fates_become(Fate::AlreadyListed, &[&dori]).await;
    posting.waiting_become(&[&dori]).await;
    // Who was made a recipient by hand is not taken off by the campaign.
    world.move_to(&dori, "DE").await;
    let eve = posting.belgian("Eve", "eve@one.example").await;
    world.fates_become(Fate::Added, &[&zoe, &eve]).await;
    world.members_become("be", &[&zoe, &eve]).await;
    posting.waiting_become(&[&dori, &eve]).await;
    posting.resume().await;
    assert_eq!(posting.end().await, ["dori@one.example", "eve@one.example", "zoe@one.example"]);
}
