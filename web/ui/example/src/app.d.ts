declare global {
  namespace App {
    interface Locals {
      /** Whoever is signed in; it never leaves the server. */
      accessToken?: string;
    }
  }
}

export {};
