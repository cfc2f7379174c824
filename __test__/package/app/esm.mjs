import * as gaiwan from 'gaiwan'
import * as blobs from 'gaiwan/blobs'
import { job } from './job.cjs'

console.log(JSON.stringify(await job(gaiwan, blobs)))
