/**
 * The sample app's database: accounts that pay each other. Money is neither made
 * nor lost by a payment, so a copy torn between two moments gives itself away.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

const accountCount = 200;
const openingBalance = 1000;
/** Made before the app is "live", so that the database has some megabytes. */
export const earlierPayments = 20_000;

/** Makes the database in WAL mode, as a web app would have it, with {@link earlierPayments} in it. The caller closes it. */
export function openBank(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    BEGIN IMMEDIATE;
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
    CREATE TABLE payment (
      id INTEGER PRIMARY KEY,
      payer INTEGER NOT NULL REFERENCES account,
      payee INTEGER NOT NULL REFERENCES account,
      amount INTEGER NOT NULL,
      note TEXT NOT NULL
    ) STRICT;
    CREATE INDEX payment_payee ON payment (payee);
  `);
  const insert = database.prepare("INSERT INTO account VALUES (?, ?)");
  for (let id = 1; id <= accountCount; id++) insert.run(id, openingBalance);
  const pay = preparePayment(database);
  for (let number = 1; number <= earlierPayments; number++) pay(number);
  database.exec("COMMIT");
  return database;
}

/** A function that makes the payment of this number, inside a transaction of the caller. */
export function preparePayment(database: DatabaseSync): (number: number) => void {
  const take = database.prepare("UPDATE account SET balance = balance - ? WHERE id = ?");
  const give = database.prepare("UPDATE account SET balance = balance + ? WHERE id = ?");
  const write = database.prepare("INSERT INTO payment VALUES (?, ?, ?, ?, ?)");
  return (number) => {
    const payer = 1 + ((number * 7919) % accountCount);
    const payee = 1 + ((number * 104_729 + 1) % accountCount);
    const amount = 1 + (number % 50);
    take.run(amount, payer);
    give.run(amount, payee);
    write.run(number, payer, payee, amount, `payment ${number} `.repeat(8));
  };
}

/** What was found in a copy of the database. */
export interface BankFindings {
  readonly payments: number;
  /** One sentence for each law that does not hold. */
  readonly broken: readonly string[];
}

const laws: readonly { readonly broken: string; readonly query: string }[] = [
  {
    broken: "money was made or lost",
    query: `SELECT sum(balance) <> ${accountCount * openingBalance} FROM account`,
  },
  {
    broken: "an account does not agree with its payments",
    query: `SELECT count(*) FROM account WHERE balance <> ${openingBalance}
      + (SELECT coalesce(sum(amount), 0) FROM payment WHERE payee = account.id)
      - (SELECT coalesce(sum(amount), 0) FROM payment NOT INDEXED WHERE payer = account.id)`,
  },
  { broken: "a payment is missing", query: "SELECT coalesce(max(id), 0) <> count(*) FROM payment" },
  {
    broken: "SQLite finds damage",
    query: "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
  },
];

/** Checks a restored copy. A file that cannot be read as a database breaks the last law. */
export function checkBank(path: string): BankFindings {
  try {
    using database = new DatabaseSync(path, { readOnly: true });
    const number = (query: string): number =>
      Number(Object.values(database.prepare(query).get() ?? { none: 1 })[0]);
    const broken = laws.filter(({ query }) => number(query) !== 0).map((law) => law.broken);
    return { payments: number("SELECT count(*) FROM payment"), broken };
  } catch (error) {
    return {
      payments: 0,
      broken: [`it cannot be read: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}
