import * as gaiwan from 'gaiwan'
import * as blobs from 'gaiwan/blobs'
import { job } from './job.cjs'

job(gaiwan, blobs).then((outcome) => console.log(JSON.stringify(outcome)))
