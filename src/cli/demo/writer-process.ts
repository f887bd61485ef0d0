/**
 * The process of the demo's app that writes to its database all the time. Started
 * with the database's path; tells how many payments are committed whenever it is
 * asked; ends when its parent lets go of it.
 *
 * @module
 */

import { earlierPayments, openBank, preparePayment } from "./bank.ts";

/** Some hundred commits a second, so that the demo leaves the machine to the backup. */
const pauseMs = 2;

const database = openBank(process.argv[2]!);
const pay = preparePayment(database);
let payments = earlierPayments;

const timer = setInterval(() => {
  database.exec("BEGIN IMMEDIATE");
  pay(++payments);
  database.exec("COMMIT");
}, pauseMs);
process.on("message", () => process.send!(payments));
process.on("disconnect", () => {
  clearInterval(timer);
  database.close();
});
