/** Where the application's navigation shows the replay. */
export const config = {
  nav: {
    code: 'msr',
    header: { name: 'Multi-session replay', url: '/aoh/msr' },
    sidebar: [
      { name: 'Replay', icon: 'history', url: '/aoh/msr' },
      { name: 'Sessions', icon: 'users', url: '/aoh/msr/sessions' },
    ],
  },
};
