// What a topic tells.
import type { EndpointId } from '../endpoint/key.js'
import type { Bytes } from '../wire/bytes.js'

/** How a message travels. Direct from its author when round is 0 or kind is 'neighbors'. */
export type DeliveryScope = { readonly kind: 'swarm'; readonly round: number } | { readonly kind: 'neighbors' }

/** Why a neighbor is one no more: it left the topic, dropped us for another, was dropped by us for another, or its connection was lost. */
export type NeighborDownReason = 'left' | 'evicted' | 'replaced' | 'lost'

export type GossipEvent =
  | { readonly type: 'neighborUp'; readonly endpointId: EndpointId }
  | { readonly type: 'neighborDown'; readonly endpointId: EndpointId; readonly reason: NeighborDownReason }
  /** `from` is the last hop, not the author: sign if that matters. */
  | { readonly type: 'received'; readonly content: Bytes; readonly from: EndpointId; readonly scope: DeliveryScope }
  /** So many messages were dropped here because nobody read them. */
  | { readonly type: 'lagged'; readonly missed: number }
