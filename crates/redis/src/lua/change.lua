-- Replaces a user, if the user is still the one whom the caller saw, and writes what goes with it.
--
-- KEYS   1 user   2 their ended sessions   3 their timeline   4 the home's timeline   5 the home's figures
--        6 sessions that ended all together   7 access tokens of the home's users that are denied
-- ARGV   1 stamp of the user as seen, empty for "none"   2 the new user, empty to leave them   3 its TTL
--        4 TTL of ended sessions and timeline   5 TTL of the home's keys
--        6 ended sessions kept at most   7 events kept at most   8 events of a home kept at most
--        9 "erase" forgets the ended sessions, else empty
--        10-14 added to the figures: sessions, users, created, revoked, expired
--        15 the time   16 how many ended sessions follow   17 how many denials, then those sessions,
--        then for each denial until when and what, then the events
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
local ended = 17 + tonumber(ARGV[16])
local denied = ended + 2 * tonumber(ARGV[17])
append(KEYS[2], 18, ended, ARGV[6], ARGV[4])
deny(KEYS[7], KEYS[5], ended + 1, denied, tonumber(ARGV[15]))
append(KEYS[3], denied + 1, #ARGV, ARGV[7], ARGV[4])
append(KEYS[4], denied + 1, #ARGV, ARGV[8], ARGV[5])
count(KEYS[5], 10, #ARGV - denied, ARGV[5])
return 1
