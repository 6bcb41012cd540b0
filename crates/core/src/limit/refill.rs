//! How a limiter takes units of hot keys ahead, see `lease.rs`.

use super::{
    Demand, Limiter, Refund, Verdict, bounds,
    denied::Epoch,
    known::Known,
    lease::{Draw, Filled},
    service::Ask,
};
use crate::fault::Fault;
use std::{sync::Arc, time::Instant};
use tokio::sync::OnceCell;

/// One question to the store for units of one key: whoever needs them meanwhile waits for the same answer. Where whoever asked goes away,
/// the next one asks.
#[derive(Debug, Default)]
pub(super) struct Refill(OnceCell<Result<(), Fault>>);

/// What became of the asks that may be leased.
pub(super) enum Drawn {
    /// One of them is denied.
    Denied(Known),
    /// Where each key stands that was spent from here, by the place of its ask; the store is asked for all others.
    Spent(Vec<Option<Verdict>>),
}

/// What was spent, as it would be given back.
pub(super) fn spendings(asks: &[Ask], spent: &[Option<Verdict>]) -> Vec<Refund> {
    let of = |(ask, spent): (&Ask, &Option<Verdict>)| {
        let Demand { rule, key, cost } = ask.demand();
        Some(Refund { rule, key, cost, taken_at: spent.as_ref()?.at })
    };
    asks.iter().zip(spent).filter_map(of).collect()
}

impl Limiter {
    pub(super) fn is_leased(&self, ask: &Ask) -> bool {
        ask.rule().is_leased() && self.store.costs_a_trip()
    }

    /// Spends what is held of hot keys, and takes more ahead where that is used up.
    pub(super) async fn draw(&self, asks: &[Ask], epoch: Epoch) -> Result<Drawn, Fault> {
        let mut spent = vec![None; asks.len()];
        for (place, ask) in asks.iter().enumerate().filter(|(_, ask)| self.is_leased(ask)) {
            let drawn = match self.draw_one(ask).await {
                Ok(Draw::Spent(verdict)) => {
                    spent[place] = Some(verdict);
                    continue;
                }
                Ok(Draw::Denied(verdict)) => Ok(Drawn::Denied(self.deny(ask, place, verdict, epoch))),
                Ok(Draw::Cold | Draw::Dry { .. }) => match self.known(ask, place) {
                    Some(known) => Ok(Drawn::Denied(known)),
                    None => continue,
                },
                Err(fault) => Err(fault),
            };
            self.undraw(&spendings(asks, &spent));
            return drawn;
        }
        Ok(Drawn::Spent(spent))
    }

    async fn draw_one(&self, ask: &Ask) -> Result<Draw, Fault> {
        let (rule, key, cost) = (ask.rule(), ask.key().text(), ask.cost());
        let mut draw = self.leases.draw(rule, key, cost, Instant::now());
        for _ in 0..bounds::LEASE_TRIES {
            let Draw::Dry { refill, batch } = &draw else { break };
            refill.0.get_or_init(|| self.refill(ask, refill, *batch)).await.clone()?;
            draw = self.leases.draw_again(rule, key, cost, Instant::now());
        }
        Ok(draw)
    }

    async fn refill(&self, ask: &Ask, refill: &Arc<Refill>, batch: u64) -> Result<(), Fault> {
        ask.figures().refills.increment(1);
        let filled = self.take_ahead(ask, batch).await;
        self.note_store(&filled);
        let (rule, key) = (ask.rule(), ask.key().text());
        match filled {
            Ok(filled) => self.leases.fill(rule, key, refill, filled, Instant::now()),
            Err(_) => self.leases.give_up(rule, key, refill),
        }
        filled.map(drop)
    }

    /// Takes a batch; where that does not fit in what is left; and where somebody else was quicker what this request needs.
    async fn take_ahead(&self, ask: &Ask, batch: u64) -> Result<Filled, Fault> {
        let mut units = batch;
        loop {
            let asked_at = Instant::now();
            let demand = Demand { cost: units, ..ask.demand() };
            let decision = self.store.check(&[demand], self.clock.now()).await?;
            let Some(verdict) = decision.verdicts.first().copied() else {
                return Err(Fault::Corrupt("a limit was decided without a verdict".into()));
            };
            if decision.granted {
                return Ok(Filled::Units { units, is_whole: units == batch, verdict, asked_at });
            }
            if units == ask.cost() {
                return Ok(Filled::Nothing { cost: units, verdict });
            }
            units = if units == batch { verdict.remaining.clamp(ask.cost(), units - 1) } else { ask.cost() };
        }
    }

    /// Puts back what was spent from here for a request that came to nothing.
    pub(super) fn undraw(&self, spent: &[Refund]) {
        spent.iter().for_each(|spent| self.leases.put_back(spent));
    }
}
