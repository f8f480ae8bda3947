/** What the install command puts into the environment, and does afterwards. */
export const setup = {
  env: {
    MSR_URL: { value: 'http://127.0.0.1:8080', description: 'Where the MSR worker is; read on the server only' },
  },
  async postInstallation(): Promise<boolean> {
    return true;
  },
};
