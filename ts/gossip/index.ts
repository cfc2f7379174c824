// Broadcast in swarms: what this room offers.
export type { DeliveryScope, GossipEvent, NeighborDownReason } from './event.js'
export { Gossip } from './gossip.js'
export type {
  BroadcastOptions,
  GossipLimits,
  GossipOptions,
  JoinOptions,
  MembershipOptions,
  SubscribeOptions,
} from './options.js'
export { ALPN } from './protocol.js'
export { Topic, type TopicReceiver, type TopicSender } from './topic.js'
export { type TopicId, topicId } from './topic-id.js'
