-- Replaces a user, if the user is still the one whom the caller saw, and writes what goes with it.
--
-- KEYS   1 user   2 their ended sessions   3 their timeline   4 the home's timeline   5 the home's figures
--        6 sessions that ended all together
-- ARGV   1 stamp of the user as seen, empty for "none"   2 the new user, empty to leave them   3 its TTL
--        4 TTL of ended sessions and timeline   5 TTL of the home's keys
--        6 ended sessions kept at most   7 events kept at most   8 events of a home kept at most
--        9 "erase" forgets the ended sessions, else empty
--        10-14 added to the figures: sessions, users, created, revoked, expired
--        15 how many ended sessions follow, then those, then the events
-- Reply  1 written; else nothing was, and the reply is the user as they are now, or nil
--
-- Times are milliseconds.
if stamp(KEYS[1]) ~= ARGV[1] then
  return redis.call('GET', KEYS[1])
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if ARGV[9] == 'erase' then
  redis.call('DEL', KEYS[2], KEYS[6])
end
local ended = 15 + tonumber(ARGV[15])
append(KEYS[2], 16, ended, ARGV[6], ARGV[4])
append(KEYS[3], ended + 1, #ARGV, ARGV[7], ARGV[4])
append(KEYS[4], ended + 1, #ARGV, ARGV[8], ARGV[5])
count(KEYS[5], 10, ARGV[5])
return 1
