import { mount } from 'svelte';
import '../lib/theme/theme.css';
import '../lib/theme/base.css';
import './parts/pages.css';
import App from './App.svelte';

const target = document.getElementById('console');
if (target) mount(App, { target });
