//! Cards that a system lists twice, once for each of its interfaces.

/// What tells one card from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub backend: wgpu::Backend,
    /// PCI ids of vendor and model.
    pub model: (u32, u32),
    /// PCI address, or nothing where the driver does not say.
    pub bus: String,
    pub name: String,
}

impl Card {
    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Self {
            backend: info.backend,
            model: (info.vendor, info.device),
            bus: info.device_pci_bus_id,
            name: info.name,
        }
    }

    fn shares_bus(&self, other: &Self) -> bool {
        self.model == other.model && !self.bus.is_empty() && self.bus == other.bus
    }

    fn shares_name(&self, other: &Self) -> bool {
        self.model == other.model && self.name == other.name
    }
}

/// Whether each card is to be listed: those of DX12 are not that Vulkan lists
/// too. Each of Vulkan's stands for one of DX12's, so that of two cards of one
/// model both are listed, even where Vulkan sees but one of them.
pub(super) fn listed(cards: &[Card]) -> Vec<bool> {
    let mut listed = vec![true; cards.len()];
    let mut free: Vec<&Card> = cards
        .iter()
        .filter(|card| card.backend == wgpu::Backend::Vulkan)
        .collect();
    // By address first, for names can be taken for another card's.
    for same in [Card::shares_bus, Card::shares_name] {
        for (card, listed) in cards.iter().zip(&mut listed) {
            if card.backend != wgpu::Backend::Dx12 || !*listed {
                continue;
            }
            if let Some(twin) = free.iter().position(|other| same(card, other)) {
                free.remove(twin);
                *listed = false;
            }
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::Backend::{Dx12, Metal, Vulkan};

    fn card(backend: wgpu::Backend, device: u32, bus: &str) -> Card {
        Card {
            backend,
            model: (0x10de, device),
            bus: bus.to_owned(),
            name: format!("Card {device}"),
        }
    }

    #[test]
    fn a_card_of_both_interfaces_is_listed_once() {
        let cards = [
            card(Dx12, 1, "0000:01:00.0"),
            card(Vulkan, 1, "0000:01:00.0"),
        ];
        assert_eq!(listed(&cards), [false, true]);
        // The address is not always known.
        assert_eq!(
            listed(&[card(Vulkan, 1, ""), card(Dx12, 1, "a")]),
            [true, false]
        );
    }

    #[test]
    fn other_cards_stay() {
        let mut renamed = card(Dx12, 1, "b");
        renamed.name = "Other".to_owned();
        let cards = [
            card(Vulkan, 1, "a"),
            card(Dx12, 2, "a"),
            renamed,
            card(Metal, 1, "a"),
        ];
        assert_eq!(listed(&cards), [true; 4]);
        assert_eq!(listed(&[card(Dx12, 1, "a"), card(Dx12, 1, "a")]), [true; 2]);
        assert_eq!(
            listed(&[card(Vulkan, 1, "a"), card(Vulkan, 1, "a")]),
            [true; 2]
        );
    }

    #[test]
    fn two_cards_of_one_model_are_both_listed() {
        let both = |backend| [card(backend, 1, "a"), card(backend, 1, "b")];
        let cards = [both(Vulkan), both(Dx12)].concat();
        assert_eq!(listed(&cards), [true, true, false, false]);
        // Vulkan sees the second alone: the first is the one that stays.
        let cards = [card(Vulkan, 1, "b"), card(Dx12, 1, "a"), card(Dx12, 1, "b")];
        assert_eq!(listed(&cards), [true, true, false]);
    }
}
