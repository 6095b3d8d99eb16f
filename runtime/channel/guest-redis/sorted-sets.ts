// Sorted sets, and places on the earth, which Redis keeps as sorted sets. Scores are doubles and come as text;
// with WITHSCORES members and scores come in turn.

import type { Key, Many, Page, Score, Value } from "./values.ts";

export interface SortedSetCommands<Text> {
  /** Adds members; how many are new (changed, with CH). With INCR the member's new score, null where a condition forbade it. */
  zadd(key: Key, ...optionsScoresAndMembers: Many<Value>): Promise<number | Text | null>;
  /** How many members. */
  zcard(key: Key): Promise<number>;
  /** How many members have a score in the range. */
  zcount(key: Key, min: Score, max: Score): Promise<number>;
  /** Members of the first set that no other has. */
  zdiff(numkeys: number, ...keysAndOptions: Many<Value>): Promise<Text[]>;
  /** Stores `zdiff`; how many members. */
  zdiffstore(destination: Key, numkeys: number, ...keys: Many<Key>): Promise<number>;
  /** More by `increment`; the score after. */
  zincrby(key: Key, increment: number | string, member: Value): Promise<Text>;
  /** Members that all the sets have. */
  zinter(numkeys: number, ...keysAndOptions: Many<Value>): Promise<Text[]>;
  /** How many members `zinter` has, counted up to LIMIT. */
  zintercard(numkeys: number, ...keysAndOptions: Many<Value>): Promise<number>;
  /** Stores `zinter`; how many members. */
  zinterstore(destination: Key, numkeys: number, ...keysAndOptions: Many<Value>): Promise<number>;
  /** How many members lie between two members, where all scores are the same. */
  zlexcount(key: Key, min: Value, max: Value): Promise<number>;
  /** Pops from the first set that has members: its key and the members with their scores, or null. */
  zmpop(
    numkeys: number,
    ...keysAndOptions: Many<Value>
  ): Promise<[key: Text, members: [member: Text, score: Text][]] | null>;
  /** The scores in the order of the members, null where there is none. */
  zmscore(key: Key, ...members: Many<Value>): Promise<(Text | null)[]>;
  /** Takes the member of the highest score out, or `count` of them: members and scores in turn. */
  zpopmax(key: Key, count?: number): Promise<Text[]>;
  /** Takes the member of the lowest score out, or `count` of them: members and scores in turn. */
  zpopmin(key: Key, count?: number): Promise<Text[]>;
  /** Any member, or `count` of them (negative: with repetition). */
  zrandmember(key: Key): Promise<Text | null>;
  zrandmember(key: Key, count: number, withScores?: "WITHSCORES"): Promise<Text[]>;
  /** The members from `start` to `stop` by rank, or BYSCORE or BYLEX. */
  zrange(key: Key, start: Value, stop: Value, ...options: Value[]): Promise<Text[]>;
  /** Members between two members, where all scores are the same. */
  zrangebylex(key: Key, min: Value, max: Value, ...options: Value[]): Promise<Text[]>;
  /** Members with a score in the range. */
  zrangebyscore(key: Key, min: Score, max: Score, ...options: Value[]): Promise<Text[]>;
  /** Stores `zrange`; how many members. */
  zrangestore(destination: Key, source: Key, start: Value, stop: Value, ...options: Value[]): Promise<number>;
  /** Rank from the lowest score, 0 first, or null. */
  zrank(key: Key, member: Value): Promise<number | null>;
  /** Removes members; how many there were. */
  zrem(key: Key, ...members: Many<Value>): Promise<number>;
  /** Removes the members between two members; how many. */
  zremrangebylex(key: Key, min: Value, max: Value): Promise<number>;
  /** Removes the members from `start` to `stop` by rank; how many. */
  zremrangebyrank(key: Key, start: number, stop: number): Promise<number>;
  /** Removes the members with a score in the range; how many. */
  zremrangebyscore(key: Key, min: Score, max: Score): Promise<number>;
  /** `zrange` from the highest score down. */
  zrevrange(key: Key, start: number, stop: number, withScores?: "WITHSCORES"): Promise<Text[]>;
  /** `zrangebylex` from the last member down. */
  zrevrangebylex(key: Key, max: Value, min: Value, ...options: Value[]): Promise<Text[]>;
  /** `zrangebyscore` from the highest score down. */
  zrevrangebyscore(key: Key, max: Score, min: Score, ...options: Value[]): Promise<Text[]>;
  /** Rank from the highest score, 0 first, or null. */
  zrevrank(key: Key, member: Value): Promise<number | null>;
  /** A page of the sorted set: members and scores in turn. */
  zscan(key: Key, cursor: number | string, ...options: Value[]): Promise<Page<Text>>;
  /** The member's score, or null. */
  zscore(key: Key, member: Value): Promise<Text | null>;
  /** Members that any of the sets has. */
  zunion(numkeys: number, ...keysAndOptions: Many<Value>): Promise<Text[]>;
  /** Stores `zunion`; how many members. */
  zunionstore(destination: Key, numkeys: number, ...keysAndOptions: Many<Value>): Promise<number>;
}

type Unit = "m" | "km" | "mi" | "ft";
type Position<Text> = [longitude: Text, latitude: Text];
/** A member's name, or with WITHCOORD, WITHDIST or WITHHASH a list that begins with it. */
type Place<Text> = Text | [member: Text, ...asked: (Text | number | Position<Text>)[]];

export interface GeoCommands<Text> {
  /** Adds places; how many are new (changed, with CH). */
  geoadd(key: Key, ...longitudesLatitudesAndMembers: Many<Value>): Promise<number>;
  /** Distance between two members, or null. */
  geodist(key: Key, member1: Value, member2: Value, unit?: Unit): Promise<Text | null>;
  /** Geohash strings in the order of the members. */
  geohash(key: Key, ...members: Many<Value>): Promise<(Text | null)[]>;
  /** Longitudes and latitudes in the order of the members. */
  geopos(key: Key, ...members: Many<Value>): Promise<(Position<Text> | null)[]>;
  /** Places around a point; with STORE or STOREDIST how many it stored. The old form of `geosearch`. */
  georadius(
    key: Key,
    longitude: number,
    latitude: number,
    radius: number,
    unit: Unit,
    ...options: Value[]
  ): Promise<Place<Text>[] | number>;
  /** `georadius` without STORE. */
  georadius_ro(
    key: Key,
    longitude: number,
    latitude: number,
    radius: number,
    unit: Unit,
    ...options: Value[]
  ): Promise<Place<Text>[]>;
  /** Places around a member; with STORE or STOREDIST how many it stored. */
  georadiusbymember(
    key: Key,
    member: Value,
    radius: number,
    unit: Unit,
    ...options: Value[]
  ): Promise<Place<Text>[] | number>;
  /** `georadiusbymember` without STORE. */
  georadiusbymember_ro(
    key: Key,
    member: Value,
    radius: number,
    unit: Unit,
    ...options: Value[]
  ): Promise<Place<Text>[]>;
  /** Places in a circle or a box. */
  geosearch(key: Key, ...query: Value[]): Promise<Place<Text>[]>;
  /** Stores `geosearch`; how many places. */
  geosearchstore(destination: Key, source: Key, ...query: Value[]): Promise<number>;
}
