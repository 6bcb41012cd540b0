-- Appends events to the timelines of one home; one that is there already is not written again.
--
-- KEYS   1 the home's timeline   2 the home's figures   then, for each event, the timeline of its user, or the home's again
-- ARGV   1 TTL of a user's timeline   2 TTL of the home's   3 events of a user kept at most   4 events of a home kept at most
--        then the events
-- Reply  how many were written
local written = 0
for i = 3, #KEYS do
  local event = ARGV[2 + i]
  if not redis.call('LPOS', KEYS[i], event, 'RANK', -1) then
    written = written + 1
    if KEYS[i] ~= KEYS[1] then
      redis.call('RPUSH', KEYS[i], event)
      redis.call('LTRIM', KEYS[i], -ARGV[3], -1)
      redis.call('PEXPIRE', KEYS[i], ARGV[1])
    end
    redis.call('RPUSH', KEYS[1], event)
  end
end
if written > 0 then
  redis.call('LTRIM', KEYS[1], -ARGV[4], -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('HINCRBY', KEYS[2], 'events', written)
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return written
